"""kgrec's own plugin: what is built in, offered through the same hooks as everyone else's. Imports no model."""

from __future__ import annotations

from collections.abc import Sequence

from kgrec.plugin.domain import Domain, Mapping, PromptTemplate, default_prompt, prompt_variants, read_prompt
from kgrec.plugin.recipes import by_recipe
from kgrec.plugin.spec import Spec, hookimpl


@hookimpl
def kgrec_domains() -> list[Domain]:
    """Offer the domain for data of no particular field."""
    return [Domain(name="generic", summary="any items: every multi-valued text column becomes a relation of its own")]


@hookimpl
def kgrec_data_sources() -> list[Spec]:
    """Offer the file formats."""
    return [
        Spec("recbole", "kgrec.data.sources.delimited:RecBoleSource", "RecBole atomic files", rank=10),
        Spec("csv", "kgrec.data.sources.delimited:CsvSource", "separated text; separator, header, encoding are told"),
        Spec("tsv", "kgrec.data.sources.delimited:TsvSource", "tab-separated text"),
        Spec("json", "kgrec.data.sources.records:JsonSource", "JSON: an object a line, an array, or one inside"),
        Spec("parquet", "kgrec.data.sources.typed:ParquetSource", "Apache Parquet, Arrow, Feather"),
        Spec("excel", "kgrec.data.sources.typed:SheetSource", "sheets of Excel and LibreOffice", extra="excel"),
        Spec("sql", "kgrec.data.sources.databases:SqlSource", "tables and queries of SQLite files and PostgreSQL"),
    ]


@hookimpl
def kgrec_entity_linkers() -> list[Spec]:
    """Offer the gazetteer linker."""
    return [Spec("gazetteer", "kgrec.graph.gazetteer:GazetteerLinker", "labels and aliases, longest match")]


@hookimpl
def kgrec_text_encoders() -> list[Spec]:
    """Offer the text encoders."""
    return [
        Spec("transformers", "kgrec.text.encoders.pretrained:TransformerEncoder", "any transformers model; MiniLM"),
        Spec(
            "multilingual",
            "kgrec.text.encoders.pretrained:MultilingualEncoder",
            "English, Chinese and 14 more; numpy only",
            extra="models",
        ),
        Spec("hashing", "kgrec.text.encoders.hashing:HashingEncoder", "hashed words and characters; no model"),
    ]


@hookimpl
def kgrec_scorers() -> list[Spec]:
    """Offer the scorers."""
    return [
        Spec("popularity", "kgrec.models.popularity:Popularity", "what most users like", family="popular"),
        Spec(
            "recent-popularity",
            "kgrec.models.recent_popularity:RecentPopularity",
            "what many liked lately, before the moment that a list is made for",
            family="popular",
        ),
        Spec("item-knn", "kgrec.models.item_knn:ItemKNN", "items that share users with the history", family="people"),
        Spec(
            "ease",
            "kgrec.models.ease:EASE",
            "linear item-item model, closed form; graph rows; local when large",
            family="people",
        ),
        Spec("als", "kgrec.models.als:ALS", "implicit matrix factorisation; graph rows", family="people"),
        Spec(
            "als-many-factors",
            "kgrec.models.als:ManyFactorALS",
            "the same with many factors, for sparse data",
            family="people",
        ),
        Spec("content", "kgrec.models.content:Content", "items whose texts are near the history's", family="content"),
        Spec(
            "feedback",
            "kgrec.models.feedback:ImpressionFeedback",
            "what users and everybody click of what they are shown",
            family="shown",
        ),
        Spec(
            "cold-items",
            "kgrec.models.cold_items:ColdStart",
            "items without likes, by texts and graph",
            family="content",
        ),
        Spec(
            "graph-filter",
            "kgrec.models.graph_filter:GraphFilter",
            "likes smoothed over the graph of users and items, closed form",
            family="people",
        ),
        Spec(
            "transitions",
            "kgrec.models.transitions:Transitions",
            "what users turned to next; texts where few did",
            family="next",
        ),
        Spec(
            "gnn",
            "kgrec.models.gnn.scorer:GNN",
            "linear propagation over users, items, entities and texts",
            family="graph",
        ),
        Spec(
            "interest",
            "kgrec.models.interest:TextInterest",
            "what a user is after as a mixture of texts; updated by every event",
            default=False,
            family="content",
        ),
        Spec(
            "latent",
            "kgrec.models.latent:Latent",
            "samples what a user may turn to next; steers texts",
            default=False,
            family="people",
        ),
        Spec("mult-vae", "kgrec.models.mult_vae:MultVAE", "variational autoencoder", default=False, family="people"),
        Spec(
            "sequence",
            "kgrec.models.sequence:Sequence",
            "small transformer over the order of the history",
            default=False,
            family="next",
        ),
    ]


@hookimpl
def kgrec_rerankers() -> list[Spec]:
    """Offer the re-rankers."""
    rerank = "kgrec.ranking.rerank"
    return [
        Spec("mmr", f"{rerank}.diversity:MMR", "unlike each other: maximal marginal relevance"),
        Spec("dpp", f"{rerank}.diversity:DPP", "unlike each other: determinantal point process"),
        Spec("spread", f"{rerank}.diversity:Spread", "unlike on the whole; the surest stay, the tail varies"),
        Spec("calibrated", f"{rerank}.diversity:Calibrated", "categories in the shares of the user's history"),
        Spec("popularity", f"{rerank}.novelty:LessPopular", "less of what everybody knows"),
        Spec("reach", f"{rerank}.novelty:Reach", "items get to the few who would like them best"),
        Spec("long-tail", f"{rerank}.novelty:LongTail", "a share of the places for the long tail"),
        Spec("fair", f"{rerank}.fairness:FairExposure", "exposure by provider or another attribute; least shares"),
        Spec("user-fair", f"{rerank}.fairness:UserFair", "groups of users get what others get"),
        Spec("novelty", f"{rerank}.novelty:Novelty", "unlike what the user knows"),
        Spec("serendipity", f"{rerank}.novelty:Serendipity", "relevant, unexpected and not popular"),
        Spec("fresh", f"{rerank}.rules:Fresh", "new items first; old ones dropped"),
        Spec("rules", f"{rerank}.rules:Rules", "pin, block and boost"),
        Spec("cap", f"{rerank}.rules:Cap", "at most so many with the same value of an attribute"),
        Spec("bought", f"{rerank}.rules:Bought", "drops what was bought once, or its whole kind"),
        Spec("explore", f"{rerank}.novelty:Explore", "a share of the places for what is outside the bubble"),
        Spec("by-score", f"{rerank}.rules:ByScore", "what the others chose, by its score"),
    ]


@hookimpl
def kgrec_language_models() -> list[Spec]:
    """Offer the language models."""
    models = "kgrec.generate.models"
    return [
        Spec("smollm2", f"{models}.llama:LlamaModel", "embedded SmolLM2-135M, or any GGUF file; English", extra="llm"),
        Spec("transformers", f"{models}.transformer:TransformersModel", "any causal or seq2seq model of transformers"),
        Spec("tuned", f"{models}.tuned:TunedModel", "a model tuned by `kgrec generate tune`", extra="lora"),
        Spec("openai", f"{models}.endpoint:EndpointModel", "any endpoint of OpenAI's protocol", extra="endpoint"),
        Spec("recorded", f"{models}.recorded:RecordedModel", "answers from a file; for tests"),
    ]


@hookimpl
def kgrec_generators() -> list[Spec]:
    """Offer the generators of texts."""
    return [
        Spec("template", "kgrec.generate.template:TemplateGenerator", "phrases filled with facts; no model"),
        Spec("prompt", "kgrec.generate.prompts:PromptGenerator", "asks the language model by the kind's prompt"),
    ]


@hookimpl
def kgrec_guards() -> list[Spec]:
    """Offer the guards, the cheapest first."""
    guards = "kgrec.generate.guards"
    return [
        Spec("length", f"{guards}.form:Length", "too long or too short", rank=10),
        Spec("language", f"{guards}.form:Languages", "not in the language asked for", rank=20),
        Spec("banned", f"{guards}.safety:Banned", "abuse, scams, markup, addresses, traces of prompts", rank=30),
        Spec("privacy", f"{guards}.safety:Privacy", "personal data, the reader's own words", rank=40),
        Spec("required", f"{guards}.form:Required", "does not name the item", rank=50),
        Spec("tone", f"{guards}.form:Tone", "exclamations, capitals, emoji, contractions", rank=60),
        Spec("repetition", f"{guards}.form:Repetition", "says it twice, or what was shown last", rank=70),
        Spec("copying", f"{guards}.form:Copying", "copies the catalogue's description", rank=80),
        Spec("numbers", f"{guards}.numbers:Numbers", "numbers that no fact holds; units, rounding", rank=90),
        Spec("entities", f"{guards}.names:Entities", "names that no fact holds", rank=100),
        Spec("claims", f"{guards}.claims:Claims", "negation, wrong relation, unsupported words", rank=110),
    ]


@hookimpl
def kgrec_commands() -> list[Spec]:
    """Offer the commands, in the order one meets them."""
    cli = "kgrec.cli"
    return [
        Spec("init", f"{cli}.init:init", "Look at files and write a kgrec.toml that fits them."),
        Spec("build-graph", f"{cli}.build_graph:build_graph", "Read and clean the files, build the knowledge graph."),
        Spec("check", f"{cli}.check:check", "Write a page on the data: what was read, lost, and looks suspicious."),
        Spec("train", f"{cli}.train:train", "Fit the scorers and learn how much each counts."),
        Spec(
            "evaluate",
            f"{cli}.evaluate:evaluate",
            "Train on a part of the data, and measure the lists on the rest.",
        ),
        Spec(
            "simulate",
            f"{cli}.simulate:simulate",
            "Run the feedback loop offline: recommend, click, learn, repeat.",
        ),
        Spec("recommend", f"{cli}.recommend:recommend", "Recommend items to a user, a newcomer, or everybody."),
        Spec(
            "predict", f"{cli}.predict:predict", "Say what a user would rate items, and between which values that lies."
        ),
        Spec("explain", f"{cli}.explain:explain", "Say why an item is, or is not, in the list of a user."),
        Spec(
            "generate",
            f"{cli}.generate:generate",
            "Write texts about items for a user, from facts alone.",
        ),
        Spec(
            "generate evaluate",
            f"{cli}.generate_evaluate:evaluate",
            "Write texts for some users, and measure how good they are.",
        ),
        Spec(
            "generate feedback",
            f"{cli}.generate_feedback:feedback",
            "Record what readers did with texts.",
        ),
        Spec(
            "generate review",
            f"{cli}.generate_review:review",
            "Accept, edit or reject texts one by one.",
        ),
        Spec(
            "generate enrich",
            f"{cli}.generate:enrich",
            "Write keywords for items with short texts.",
        ),
        Spec(
            "generate tune",
            f"{cli}.generate_tune:tune",
            "Fine-tune a language model on the catalogue's texts.",
        ),
        Spec("profile", f"{cli}.generate:profile", "Show what a user is interested in, and which events say so."),
        Spec("info", f"{cli}.info:info", "Show what the workspace holds, a user, or the settings."),
        Spec(
            "forget",
            f"{cli}.personal_data:forget",
            "Forget a person: out of the lists at once, then out of every artifact, with a certificate.",
        ),
        Spec("audit privacy", f"{cli}.audit:privacy", "Attack the lists, and read reasons and texts for names."),
        Spec(
            "export-user",
            f"{cli}.personal_data:export_user",
            "Hand a person everything that is known: data.json, and summary.md to read.",
        ),
        Spec(
            "graph stats",
            f"{cli}.graph:stats",
            "Count nodes, edges and relations, by where they come from.",
        ),
        Spec("graph query", f"{cli}.graph:query", "Run a SPARQL query on the graph."),
        Spec(
            "graph export",
            f"{cli}.graph:export",
            "Write the graph as Turtle, N-Triples, JSON-LD, GraphML or JSON.",
        ),
        Spec(
            "graph validate",
            f"{cli}.graph:validate",
            "Check the graph against its SHACL shapes.",
        ),
        Spec("graph show", f"{cli}.graph:show", "Print or draw what is around a user, an item or an entity."),
        Spec("runs", f"{cli}.runs:runs", "List the evaluations that were kept, the latest first."),
        Spec("runs show", f"{cli}.runs:show", "Show a kept run again, or write its page."),
        Spec("runs export", f"{cli}.runs:export", "Write a kept run for TensorBoard or MLflow."),
        Spec("compare", f"{cli}.runs:compare", "Compare two kept runs: figures, what differs in settings and data."),
        Spec("plugins", f"{cli}.plugins:plugins", "List the plugins, what they offer, what is broken."),
        Spec("plugins new", f"{cli}.plugins:new", "Start a plugin: a package with its tests, or the workspace's own."),
        Spec(
            "plugins show", f"{cli}.plugins:show", "Show what a plugin offers with its options, or one thing on offer."
        ),
        Spec(
            "plugins trace",
            f"{cli}.plugins:trace",
            "Run a command and tell every call of a hook or a part, with its owner and its time, on stderr.",
        ),
        Spec(
            "serve",
            f"{cli}.serve:serve",
            "Answer over HTTP from what was trained, count events as they come, and show it on a web page.",
        ),
        Spec(
            "chat", f"{cli}.serve:chat", "Talk about a user's list: what you want more or less of, until an empty line."
        ),
        Spec(
            "keys",
            f"{cli}.serve:keys",
            "Show who may ask a server beyond this machine, and for what. Keys are yours and lie in no workspace.",
        ),
        Spec("keys add", f"{cli}.serve:add_key", "Hand out a key; it is shown once."),
        Spec("keys remove", f"{cli}.serve:remove_key", "Withdraw a key."),
        Spec("trust", f"{cli}.trust:trust", "Show what workspaces may reach: hosts, secrets, files outside of them."),
        Spec("trust host", f"{cli}.trust:host", "Allow a host to get texts, and the value of a variable."),
        Spec("trust path", f"{cli}.trust:path", "Allow the workspace to read a file or folder outside of it."),
        Spec(
            "trust code",
            f"{cli}.trust:code",
            "Allow the workspace's own plugin, kgrec_plugins.py, to run as it stands now.",
        ),
        Spec("trust remove", f"{cli}.trust:remove", "Withdraw what was allowed."),
        Spec("doctor", f"{cli}.doctor:doctor", "Check the environment and the workspace."),
    ]


@hookimpl
def kgrec_prompt_template(domain: Domain, task: str) -> PromptTemplate | None:
    """Give the prompt that lies among the domain's files, or that for items of no particular field."""
    own = read_prompt(domain.package, f"prompts/{task}.txt", f"{domain.name}/{task}") if domain.package else None
    return own or default_prompt(task)


@hookimpl
def kgrec_prompt_variants(domain: Domain, task: str) -> list[str]:
    """Name the variants of a prompt that lie among the domain's files."""
    return list(prompt_variants(domain.package, "prompts", task)) if domain.package else []


@hookimpl
def kgrec_schema_mapping(domain: Domain, source: str, columns: Sequence[str]) -> Mapping | None:
    """Read files by the domain's recipes."""
    return by_recipe(domain.package, source, columns) if domain.package else None
