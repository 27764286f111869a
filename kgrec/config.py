"""The settings of a workspace: models of kgrec.toml. An unknown key is an error that names the nearest known one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from kgrec.languages import languages

Action = Literal[
    "view", "click", "like", "cart", "purchase", "rate", "comment", "share", "collect", "search", "impression",
    "dislike", "skip",
]  # fmt: skip
SearchLevel = Literal["quick", "normal", "thorough"]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(ge=1)]


def _known_language(code: str) -> str:
    if code not in languages():
        raise ValueError(f"there is no language {code!r}, only {', '.join(languages())}")
    return code


LanguageCode = Annotated[str, AfterValidator(_known_language)]


class TomlTable(BaseModel):
    """A table of kgrec.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class LookupConfig(TomlTable):
    """A file that says what ids are called."""

    path: str
    """Relative to kgrec.toml."""
    id: str
    """Its column of ids."""
    name: str | None = None
    """Its column of names; without one the ids are the names."""
    broader: str | None = None
    """Its column of the id above: of the category that this one belongs to."""


class JoinConfig(TomlTable):
    """A file whose columns the rows get: the orders that order lines belong to."""

    path: str
    """Relative to kgrec.toml."""
    on: str
    """The column of these rows that names a row of the other file."""
    key: str
    """The other file's column of the same values."""


class AttributeConfig(TomlTable):
    """How a column becomes an attribute of an item or user."""

    column: str
    """The file's column."""
    separator: str | None = None
    """Splits a multi-valued cell: ``|`` or ``, ``; leave out for one value."""
    relation: str | None = None
    """Relation type of the edges; leave out to keep the value as a literal (number, date, text)."""
    names: LookupConfig | None = None
    """A file that says what the column's ids are called: ``{ path = "genres.csv", id = "id", name = "name" }``."""
    private: bool = False
    """Of users: `kgrec audit privacy` looks whether reasons or texts name a value."""


class ReadConfig(TomlTable):
    """How the text of a file is cut into cells; what is left out is told from the file."""

    delimiter: str | None = None
    """What separates cells: ``;``, ``|``, ``::``."""
    quote: str | None = None
    """What cells that hold the delimiter stand in; an empty text: nothing."""
    encoding: str | None = None
    """``utf-8``, ``gb18030``, ``cp1252``, or any other that Python knows."""
    header: bool | None = None
    """Does the first line name the columns? Without names they are ``column_1``, ``column_2``..."""
    skip_lines: int | None = Field(default=None, ge=0)
    """Lines before the header."""
    query: str | None = None
    """SQL that selects the rows, where the path names a database."""


class NotationConfig(TomlTable):
    """How a file writes what can be written in several ways; what is left out is told from the whole column."""

    dates: Literal["day-first", "month-first"] | None = None
    """Of dates like 05/07/2024."""
    time_zone: str | None = None
    """Of times without an offset: ``Europe/Berlin``, ``+08:00``. By default UTC."""
    decimal: Literal[".", ","] | None = None
    """What stands before the fraction of a number like 1.299."""
    lower_is_better: bool | None = None
    """Small values are the better ones, as with school marks in Germany."""
    scale: list[str] = []
    """Words of values from worst to best: ``["never again", "so so", "love it"]``."""
    currencies: list[str] = []
    """Marks of prices besides the usual ones and the domain's: ``["Rp", "gems"]``."""


class FileConfig(TomlTable):
    """A file to read."""

    path: str
    """Relative to kgrec.toml."""
    format: str | None = None
    """Name of the data source; by default told from the file's name."""
    columns: dict[str, str] = {}
    """kgrec's field -> the file's column."""
    reading: ReadConfig = ReadConfig()
    """How the text is cut into cells: ``{ delimiter = ";", encoding = "cp1252" }``."""
    notation: NotationConfig = NotationConfig()
    """How dates and numbers are written: ``{ dates = "day-first", decimal = "," }``."""
    missing: list[str] = []
    """Cells that stand for nothing: ``["-1", "walk-in customer"]``."""


class InteractionsConfig(FileConfig):
    """Fields: user, item, action, value, time, text.

    clock and zone, where these stand apart from the date; visitor, who counts where the column of users is empty.
    ``item`` may be missing for searches, ``user`` where ``user`` is set. A list of items in a cell becomes as many
    interactions; ``item = "*"``: each column that is nothing else is an item, and its cells are values.
    """

    user: str | None = None
    """Id of the user of all rows, where no column names one: the export of one person."""
    action: Action | None = None
    """Action of each row when there is no action column; ``rate`` if there are values, else ``view``."""
    actions: dict[str, Action | Literal["ignore"]] = {}
    """The file's words for actions: ``{ buy = "purchase", login = "ignore" }``; rows to ignore are left out."""
    flags: dict[str, Action | Literal["ignore"]] = {}
    """Columns of yes and no, and what a yes says: ``{ is_like = "like" }``; of several the strongest counts. A row
    without any is an impression where views or clicks are among them, otherwise a view."""
    join: JoinConfig | None = None
    """Another file whose columns the rows get: ``{ path = "orders.csv", on = "order_id", key = "id" }``."""
    fill_down: list[str] = []
    """Columns whose empty cells repeat the cell above, as in exports grouped by order and in merged cells."""
    separator: str | None = None
    """Separates the items in a cell: ``;``."""
    pattern: str | None = None
    """Regular expression whose group is an item: of each part of a cell that is cut by ``separator``, otherwise of each
    place in the cell where it matches; where each column is an item, of the column's name."""
    beside: list[str] = []
    """Where each column is an item: columns that are none."""
    split: Literal["train", "validation", "test"] = "train"
    """``validation``: never fitted on, only settings and fusion are chosen on it; counts as seen when recommending.
    ``test``: only ``kgrec evaluate --split given`` looks at it."""


class CatalogueConfig(FileConfig):
    """Items or users. Fields: id, title (items), description."""

    attributes: dict[str, AttributeConfig] = {}
    """Attribute name -> the column it is read from."""


class LinkConfig(FileConfig):
    """Which entity of a graph an item is. Fields: item, entity."""


class NamesConfig(FileConfig):
    """Readable names of entities. Fields: entity, name, optionally type."""


class TriplesConfig(FileConfig):
    """A graph: RDF in any syntax of rdflib, or a table with the fields head, relation, tail."""

    link: LinkConfig | None = None
    """Without it, a head or tail that equals an item's id is that item."""
    names: NamesConfig | None = None
    relation: str | None = None
    """The relation of all rows, where no column names one: ``also_bought``."""


class LinksConfig(TomlTable):
    """Links of items to the entities of graphs."""

    trust: bool = False
    """Use a table of links even if it agrees with the catalogue (names, years, attributes) no better than chance."""


class CleaningConfig(TomlTable):
    """What happens to rows that cannot be taken as they are."""

    repeated: Literal["keep", "first", "last", "max"] = "last"
    """Which of several events of the same user, item and action counts (exact duplicates always go)."""
    missing_value: Literal["drop", "mean", "user_mean", "neutral"] = "neutral"
    """A rating without a value: drop the row, fill by the mean (of all, of the user), or keep it without a value."""
    missing_time: Literal["drop", "keep"] = "keep"
    """An event without a time."""
    min_time: str = "1990-01-01"
    """Earlier timestamps are impossible, and so are those later than ``max_time``; such a row is rejected."""
    max_time: str | None = None
    """Latest possible time; by default a day after the build."""
    min_user_interactions: int = Field(default=0, ge=0)
    """k-core: users with fewer interactions are dropped, repeatedly, until all have as many."""
    min_item_interactions: int = Field(default=0, ge=0)
    """The same for items."""
    unknown_items: Literal["keep", "reject"] = "keep"
    """Interactions with items that the catalogue does not name (only when there is a catalogue)."""
    unknown_users: Literal["keep", "reject"] = "keep"
    """The same for users (only when there is a users file)."""
    max_loss: Fraction = 0.5
    """A build stops where it would lose a larger share of a file's rows; 0 with ``--strict``: any row."""
    warn_loss: Fraction = 0.02
    """From this share on, losses stand out in what a build prints."""


def _paths(table: TomlTable) -> Iterator[str]:
    for name, value in table:
        if name == "path":
            yield value
        for part in value if isinstance(value, list) else value.values() if isinstance(value, dict) else [value]:
            if isinstance(part, TomlTable):
                yield from _paths(part)


class DataConfig(TomlTable):
    """The files."""

    interactions: list[InteractionsConfig] = []
    items: list[CatalogueConfig] = []
    users: list[CatalogueConfig] = []
    triples: list[TriplesConfig] = []
    links: LinksConfig = LinksConfig()
    cleaning: CleaningConfig = CleaningConfig()
    pseudonyms: bool = False
    """Keep keyed hashes instead of users' ids in everything kgrec writes; the key lies in the user's own folder, and
    where it is at hand commands take and show ids. See docs/privacy.md."""

    def paths(self) -> list[str]:
        """Return the path or address of every file that is named, at whatever depth: none may be left unasked about."""
        return list(dict.fromkeys(_paths(self)))


class FeedbackConfig(TomlTable):
    """What counts as a like, and how much."""

    action_weights: dict[Action, Annotated[float, Field(ge=0.0)]] = {}
    """Overrides the domain's weights; 0 leaves the action out of training."""
    like_threshold: float | None = None
    """Rows with a value below it are no likes (they stay known as seen). None: 60 % of the way up the scale."""
    low_ratings_reject: bool = False
    """Ratings below the threshold say that the user does not want such items, as an impression without a click does."""


class GraphConfig(TomlTable):
    """The knowledge graph."""

    min_entity_degree: int = Field(default=1, ge=1)
    """Entities with fewer edges are left out of the tensors (they stay in the store)."""
    store: bool = True
    """Also write the Oxigraph store that ``kgrec graph query`` reads."""
    store_interactions: bool | None = None
    """Interactions as triples in the store; by default up to half a million, for more take longer than all else."""
    base_iri: str = "https://kgrec.example/id/"
    """Start of the IRIs of nodes that have none of their own."""


class LinkingConfig(TomlTable):
    """Entity linking."""

    linker: str = "gazetteer"
    """Name of the entity linker."""
    enabled: bool = True
    """Look for mentions in texts."""
    threshold: Fraction = 0.6
    """Links below it are dropped."""
    compare_meaning: bool = True
    """Settle a name of several entities by the text encoder: the text around it against what the entities are."""
    options: dict[str, Any] = {}
    """Options of the linker."""


class TextConfig(TomlTable):
    """Text encoding."""

    encoder: str = "auto"
    """``auto`` looks at the texts: Chinese or mixed takes the multilingual encoder, English the transformer."""
    item_template: str | None = None
    """Overrides the domain's."""
    keywords: str | None = None
    """File of `kgrec generate enrich`, relative to kgrec.toml: its words join the items' texts before encoding."""
    options: dict[str, Any] = {}
    """Options of the encoder."""
    batch_size: Positive = 64
    """Texts encoded at once."""


class PrivacyConfig(TomlTable):
    """Training with differential privacy, see docs/privacy.md; spent again by every training on the same people."""

    epsilon: Annotated[float, Field(gt=0.0, le=1000.0)] | None = None
    """How much lists of others may tell of a user; None: no bound. Only popularity, EASE and item-kNN are trained."""
    delta: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    """By default a tenth of one over the number of users."""
    clip: Annotated[float, Field(ge=1.0)] = 30.0
    """So many likes of a user count in full, more count less each; set it without looking at the data."""


class TrainConfig(TomlTable):
    """Training."""

    scorers: list[str] | None = None
    """By default every scorer that can use what the data has; those that `kgrec plugins` says are used "only where
    named" join when this list, a table `[scorers.NAME]` or a weight of the fusion names them."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """``auto`` takes a GPU if there is one."""
    validation_fraction: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.1
    """Share of each user's interactions that is cut off for choosing settings, unless files are marked validation."""
    split: Literal["auto", "ratio", "time"] = "auto"
    """How it is cut: at random per user, or each user's latest; ``auto``: where times exist, the latest of half of the
    users and some at random of the others, so that settings serve both what comes next and what lies between;
    ``kgrec evaluate`` cuts as the split that it is asked for does."""
    search: SearchLevel = "normal"
    """How much work each scorer spends on looking for better settings than its own (docs/training.md): ``quick`` a
    third of ``normal``, ``thorough`` eight times as much; the same settings are found on any machine."""
    privacy: PrivacyConfig = PrivacyConfig()
    precision: Literal["float32", "float16", "int8"] = "float32"
    """Of the models on disk: half or a quarter of the bytes for lists that are nearly the same."""
    distill: bool = False
    """Also find one vector a user and one an item that reproduce the lists of all scorers together, see
    ``recommend.distilled``."""
    refit: bool = False
    """After settings and weights are chosen, fit once more on the rows marked ``validation`` too; what kgrec itself
    held out is fitted on in the end in any case. Figures of a test part then belong to models that knew more."""
    max_validation_users: Positive = 5_000
    """At most so many users are judged on."""
    threads: Positive | None = None
    """By default what the machine has free, at most its physical cores."""


class DebiasConfig(TomlTable):
    """Propensities: items that more people come upon are liked more often, whether they are better or not."""

    training: Literal["none", "ips"] = "none"
    """``ips``: every like counts by the inverse of its item's propensity, so that models learn what would be liked were
    all items seen equally often; lists become less popular, and figures on data as it was gathered fall."""
    power: Annotated[float, Field(ge=0.0, le=2.0)] = 0.5
    """Propensity of an item: its share of the users of the most popular item, to this power; 0 makes all alike. If the
    data has impressions, it is the item's share of those of the item shown most, whatever this is."""
    clip: Annotated[float, Field(gt=0.0, le=1.0)] = 0.05
    """Smallest propensity, so that no like counts more than ``1 / clip`` times one of the most popular item."""


class FusionConfig(TomlTable):
    """How scores become one."""

    method: Literal["forward", "equal"] = "forward"
    """``forward``: weights chosen on validation NDCG, moved by how much is known of the user; ``equal``: the mean."""
    metric_k: Positive = 20
    """Length of the lists on which settings and weights are judged."""
    max_members: Positive = 6
    """Scorers in the fusion at most."""
    weights: dict[str, float] = {}
    """Fixed weights; leaves nothing to learn."""
    second_stage: Literal["none", "lambdarank", "auto"] = "none"
    """``lambdarank``: boosted trees put the best hundred of the fused list into a new order (extra ``rank``); ``auto``:
    only if that raises NDCG by more than its noise, on held-out users that the trees were not learned on."""


class RecommendConfig(TomlTable):
    """Recommending."""

    n: Positive = 10
    """Length of a list."""
    include_seen: bool = False
    """Recommend what the user has interacted with, too; last, where users hardly ever return to an item."""
    block_size: Positive = 512
    """Users scored at once."""
    distilled: bool = False
    """Make lists by the vectors of ``train.distill``: faster, nearly the same; reasons are of all scorers."""
    moment: Literal["auto", "now", "last"] = "auto"
    """When lists are made, for what is popular lately: ``now``, at the end of the data; ``last``, at each user's last
    event. ``auto``: now, unless the data ended over thirty days before the training, so is a record of the past."""
    cold_share: Fraction = 0.02
    """Share of the accuracy on other items that letting items without likes into lists may cost, if a fifth is new;
    less where fewer are (a long tail that nobody happened to like is not new), more where held-out likes of such items
    outweigh the loss. 0 keeps them out."""
    language: LanguageCode | None = None
    """Of the reasons; by default that of the catalogue."""
    rerank: list[str] = []
    """Re-rankers in the order in which they work, ``["mmr:0.3", "fair:provider"]``; see docs/reranking.md."""
    rerank_candidates: Positive = 200
    """So many of a user's best items are re-ranked; more where a list is longer."""


class VoiceConfig(TomlTable):
    """How the brand speaks: texts for models to sound like, and words; the template chooses its phrases by them."""

    samples: Annotated[list[str], Field(max_length=10)] = []
    """Texts in its voice."""
    prefer: list[str] = []
    """Words it likes to use."""
    avoid: list[str] = []
    """Words it never uses; guards refuse them, but in names."""


class GenerateConfig(TomlTable):
    """Writing texts."""

    model: str = "template"
    """``template``, or the generator of a plugin; else a language model and what it loads: ``transformers:FOLDER``,
    ``openai:NAME``."""
    language: LanguageCode | None = None
    """Of the texts; by default that of ``recommend.language``, or else of the catalogue."""
    units: dict[str, str] = {}
    """What stands behind the figures of an attribute in texts: ``{ price = "EUR" }``."""
    tone: Literal["neutral", "warm", "playful", "formal"] = "neutral"
    """How a text speaks to its reader."""
    steer: Literal["profile", "latent"] = "profile"
    """What chooses a text's topics: interests, or also what the latent generator foresees, which is then trained."""
    candidates: Positive = 1
    """Drafts of a text, of which the best that passes is shown; only with a language model."""
    repair: bool = True
    """Let the model try once more with the faults named, before the template steps in."""
    guards: list[str] | None = None
    """By default kgrec's own, those of the domain's plugin, and those with a table ``[guards.NAME]``."""
    check: Literal["auto", "strict", "balanced"] = "auto"
    """``balanced``: every claim needs a fact, other prose is free. ``strict``: so does every other word that is not of
    style. ``auto``: strict for models that say they are small, balanced for any other."""
    judge: str | None = None
    """A language model, ``openai:NAME``, that says of each sentence that guards let pass which fact bears it out.
    What it does not find borne out, or does not answer, is refused; what guards refuse it cannot let pass."""
    voice: VoiceConfig = VoiceConfig()
    """How the brand speaks."""
    approved: dict[str, str] = {}
    """Sources that a tip may quote, and what readers know them as: ``{ "advice.csv" = "City Clinic" }``."""
    batch_size: Positive = 256
    """Texts written at once by ``kgrec generate --all``."""
    record: bool = False
    """Keep texts in the workspace for feedback, with user, items, facts, interests, model and prompt;
    ``kgrec generate feedback --forget USER`` removes them."""
    variants: Literal["first", "thompson"] = "first"
    """Which of several prompts writes a text: always the main one, or those that readers like by Thompson sampling;
    the latter learns from what is recorded."""
    reward: Literal["clicked", "converted"] = "clicked"
    """What a prompt is tried for."""
    window_hours: float = Field(default=24.0, ge=0)
    """How long a reader has to react: a text shown earlier than that, and not clicked in that time, was not clicked.
    0: what was not clicked yet was not clicked, and no click is too late."""

    @model_validator(mode="after")
    def _learns_from_the_record(self) -> GenerateConfig:
        if self.variants == "thompson" and not self.record:
            raise ValueError('variants = "thompson" learns from what is on record: also set record = true')
        return self


class BoostConfig(TomlTable):
    """Items that a placement lifts or lowers."""

    where: list[str]
    """Conditions that such items meet, as ``--where`` takes them."""
    by: Annotated[float, Field(ge=-10.0, le=10.0)]
    """Added to their scores, in standard deviations of the user's scores; below 0 they sink."""


class PlacementConfig(TomlTable):
    """A named place where lists are shown: what stands in them, and how much they try out."""

    n: Annotated[int, Field(ge=1, le=1_000)] = 10
    """Length of a list."""
    where: list[str] = []
    """Conditions that all items meet, as ``--where`` takes them."""
    rerank: list[str] | None = None
    """Re-rankers in their order; by default as in ``recommend.rerank``."""
    include_seen: bool | None = None
    """By default as in ``recommend.include_seen``."""
    pin: list[str] = []
    """Ids of items that stand first, in this order, whoever looks."""
    boost: list[BoostConfig] = []
    """What is lifted or lowered."""
    explore: Fraction = 0.0
    """Temperature of the draw: 0 shows the best in their order; above, items swap places by chance, the more often the
    closer their scores are, and every place keeps the probability with which it was filled."""
    policy: Literal["scores", "thompson", "linucb"] = "scores"
    """What ``explore`` goes by: the scores alone, or also how often each item was taken where it was shown."""


class ExperimentConfig(TomlTable):
    """Placements tried against each other in the place of one."""

    placement: str
    """Where it runs: who asks for this placement gets one of the variants."""
    variants: Annotated[dict[str, str], Field(min_length=2, max_length=10)]
    """Name of a variant -> placement shown; the first is what the others are compared with."""
    share: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Share of the users who take part; the others see the placement itself."""
    metric: Literal["click", "purchase", "like"] = "click"
    """What users should do with the items they are shown."""


class ServeConfig(TomlTable):
    """Serving over HTTP."""

    cache: Annotated[int, Field(ge=0, le=1_000_000)] = 10_000
    """Lists kept in memory at most; a user's own event drops hers."""
    receipts: bool = True
    """Keep what every list was made of, so that it can be explained and made again later."""
    trending_hours: Annotated[float, Field(gt=0.0, le=10_000.0)] = 6.0
    """After so long an event counts half for what is trending."""
    waiting: Positive = 64
    """Requests that are answered at once; what comes beyond is told to come back (503), as are lists that would wait
    much longer than one takes. What takes long by itself (texts, audiences, jobs) has as many places of its own."""
    receipt_days: Annotated[float, Field(gt=0.0, le=100_000.0)] = 90.0
    """After so many days a receipt goes; results of experiments and estimates rest on what is left."""


class ClusterConfig(TomlTable):
    """More processes or machines for the work on all users, see docs/scale.md."""

    address: str | None = None
    """``local``: processes on this machine; ``HOST:PORT``: the head of a Ray cluster; by default this process alone."""
    workers: Positive | None = None
    """By default one for each core of the machine or of the cluster."""
    memory_gib: Annotated[float, Field(ge=0.1)] = 2.0
    """What local workers share in memory; beyond that is put on disk meanwhile. A cluster has its own bound."""


class Config(TomlTable):
    """All of kgrec.toml."""

    domain: str = "generic"
    """The field of the data; `kgrec plugins` lists what is installed."""
    seed: int = Field(default=42, ge=0)
    """Of everything that is drawn at random."""
    data: DataConfig = DataConfig()
    feedback: FeedbackConfig = FeedbackConfig()
    graph: GraphConfig = GraphConfig()
    linking: LinkingConfig = LinkingConfig()
    text: TextConfig = TextConfig()
    train: TrainConfig = TrainConfig()
    debias: DebiasConfig = DebiasConfig()
    fusion: FusionConfig = FusionConfig()
    recommend: RecommendConfig = RecommendConfig()
    generate: GenerateConfig = GenerateConfig()
    generators: dict[str, dict[str, Any]] = {}
    """Options of the generators of texts."""
    language_models: dict[str, dict[str, Any]] = {}
    """Options of the language models: ``[language_models.openai] base_url = "…"``. Keys belong in the environment."""
    guards: dict[str, dict[str, Any]] = {}
    """Options of the guards: ``[guards.banned] words = ["rival"]``."""
    scorers: dict[str, dict[str, Any]] = {}
    """Options of the scorers: ``[scorers.als] factors = 128``; a list of values is tried on validation."""
    rerankers: dict[str, dict[str, Any]] = {}
    """Options of the re-rankers: ``[rerankers.cap] attribute = "brand"``; what stands behind a colon comes first."""
    serve: ServeConfig = ServeConfig()
    cluster: ClusterConfig = ClusterConfig()
    placements: dict[str, PlacementConfig] = {}
    """Named places where lists are shown; ``default`` is what is asked for without a name."""
    experiments: dict[str, ExperimentConfig] = {}
    """Placements tried against each other."""

    def without_losses(self) -> Config:
        """Return the settings with which a build loses no row, or stops."""
        cleaning = self.data.cleaning.model_copy(update={"max_loss": 0.0})
        return self.model_copy(update={"data": self.data.model_copy(update={"cleaning": cleaning})})

    def with_files(self, added: Sequence[tuple[str, FileConfig]]) -> Config:
        """Return the settings with more files: role (``interactions``, ``triples``...) and entry of each."""
        files = {role: [*getattr(self.data, role), *(entry for r, entry in added if r == role)] for role, _ in added}
        return self.model_copy(update={"data": self.data.model_copy(update=files)})
