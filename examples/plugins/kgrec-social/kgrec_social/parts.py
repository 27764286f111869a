"""The re-ranker and the guard."""

import re

import numpy as np
from scipy.sparse import csr_array, vstack

from kgrec.plugin.generation import Violation

FOLLOWING = r"\byou follow\b|\bfolgst du\b|\b(?:du|sie) folg(?:st|en)\b|\bihnen gefolgt|关注的人|您关注|你关注"
CROWD = r"\beveryone\b|\beverybody\b|\bviral\b|\btrending\b|\balle reden\b|\balle lieben\b|全网|人人都|爆红|刷屏"


class SocialFollows:
    """Lifts posts that people whom the reader follows have liked, the more of them the more.

    Args:
        strength: how much that counts against relevance, from 0 to 1.
        follows: attribute of people with the ids of those whom they follow.
        account: attribute of people with their own id.
    """

    def __init__(self, strength: float = 0.5, *, follows: str = "follows", account: str = "account") -> None:
        self.strength, self.follows, self.account = strength, follows, account

    def prepare(self, data):
        """Look up who follows whom, and what everybody likes."""
        follows, accounts = data.user_groups(self.follows), data.user_groups(self.account)
        same = csr_array(np.equal.outer(follows.names, accounts.names).astype(np.float32))
        edges = follows.matrix @ same @ accounts.matrix.T  # (people, people)
        self.edges = csr_array(vstack([edges, csr_array((1, edges.shape[1]))]))  # the last row: who is not in the data
        self.likes = data.likes  # how much: a post that was only opened counts less
        return self

    def rerank(self, lists):
        """Return the new order as columns of the candidates, shape (u, c), -1 after what is kept."""
        present, shown = lists.items >= 0, np.maximum(lists.items, 0)
        liked = np.take_along_axis((self.edges[lists.users] @ self.likes).toarray(), shown, axis=1)
        most = np.maximum(liked.max(axis=1, keepdims=True, initial=0), 1e-9)
        value = lists.relevance() * (1 - self.strength) + self.strength * liked / most
        order = np.argsort(np.where(present, -value, np.inf), axis=1, kind="stable")
        return np.where(np.take_along_axis(present, order, axis=1), order, -1).astype(np.int64)


class SocialGossip:
    """Refuses "you follow", since no fact tells whom a reader follows, and the pressure of "everybody loves it"."""

    def check(self, request, facts, text):
        """Return what is wrong with a text, in words that its writer can act on; nothing when it may be shown."""
        if not any(fact.name == "liked_by" for fact in facts):  # guards are asked about texts of all domains
            return []
        for fact in facts:
            text = text.replace(fact.value, " ") if fact.type in {"title", "text"} else text
        said = [("say who liked it, not whom the reader follows", FOLLOWING), ("name people, not a crowd", CROWD)]
        return [
            Violation("social-gossip", f"{advice}: '{found}'", found)
            for advice, pattern in said
            for found in re.findall(pattern, text, re.IGNORECASE)
        ]
