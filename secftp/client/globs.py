"""Wildcards in the remote names of a command line, expanded here and not by the server.

`*`, `?`, `[...]` and `**` mean what they mean to a shell (with its option globstar): they match no slash, and no name
that begins with a dot unless the pattern does. A name that exists as it was written is that file. What matches is
sorted. A `**` at the end matches what is below a directory, and never the directory itself.

Invariants: a name without wildcards costs no request; a pattern that matches nothing is an error, and never the name of
a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from secftp.errors import NotFound, Side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from secftp.session import Session
    from secftp.url import Url

_T = TypeVar("_T")


def expand(session: Session, urls: Iterable[Url], *, whole: bool = False, missing_ok: bool = False) -> list[Url]:
    """Return the URLs with each pattern replaced by what it matches.

    `whole`: a directory stands for everything in it, so that what is below another match of the pattern is left out.
    Raises `NotFound` for a pattern without a match, unless these are `missing_ok`, `TooLarge` for more than can be kept
    in memory, and what is wrong with a directory that has to be listed.
    """
    urls = list(urls)
    if all(url.pattern is None for url in urls):
        return urls
    from secftp.client.glob_search import replace

    return replace(session, urls, whole=whole, missing_ok=missing_ok)


def expand_one(session: Session, url: Url) -> Url:
    """Return the URL that a pattern stands for. Raises as `expand`, and `NotFound` if several names match."""
    found = expand(session, [url])
    if len(found) > 1:
        from secftp.text import escape

        raise NotFound(
            f"{escape(url.pattern or '')}: {len(found)} names match this pattern, and one is needed.",
            hint="Write the name.",
            filename=url.pattern,
            side=Side.REMOTE,
        )
    return found[0]


def expanded_first(
    urls: Sequence[Url], use: Callable[[list[Url]], None], run: Callable[[Session], _T]
) -> Callable[[Session], _T]:
    """Return a function that runs over a session, and before that tells `use`, once, which names match the patterns."""
    is_known = all(url.pattern is None for url in urls)

    def run_over(session: Session) -> _T:
        nonlocal is_known
        if not is_known:
            use(expand(session, urls, whole=True))
            is_known = True
        return run(session)

    return run_over
