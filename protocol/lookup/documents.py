# SPDX-License-Identifier: Apache-2.0
"""What is kept of an authority so that it can be found: words by where they stand, and marks of its codes.

1. A document is derived from an entry and may be thrown away at any time; it is no authority for anything.
2. A mark stands for one code of one kind (`ckenya` is a word, `cke` is the country KE). Marks that name a
   function and a language stand for somebody who has both.
3. Names of contact points are kept, their channels and addresses are not.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from protocol.directory.contacts import Function
from protocol.directory.entries import AuthorityEntry
from protocol.lookup.queries import Search
from protocol.lookup.vocabulary import FUNCTION_WORDS, KIND_WORDS
from protocol.lookup.words import words_of

CountryNames = Callable[[str], Sequence[str]]
"""Given a country code, its names in the languages that people search in."""


@dataclass(frozen=True, slots=True)
class Document:
    """What is kept of one authority, each member words divided by spaces.

    Attributes:
        ident: its id.
        names: legal names and transliteration.
        contacts: names of contact points.
        about: country, kind, functions, networks in words.
        marks: its codes.
    """

    ident: str
    names: str
    contacts: str
    about: str
    marks: str


def document_of(entry: AuthorityEntry, country_names: CountryNames) -> Document:
    """Return what is kept of an authority."""
    profile = entry.profile
    names = [*entry.names.values(), profile.transliterated if profile is not None else ""]
    functions = _functions(entry)
    about = [entry.country, entry.kind.value, *country_names(entry.country), *KIND_WORDS[entry.kind]]
    for function in sorted(functions):
        about += FUNCTION_WORDS[function]
    if profile is not None:
        about += [membership.network for membership in profile.networks]
    return Document(
        ident=_joined([entry.authority]),
        names=_joined(names),
        contacts=_joined(contact.name for contact in entry.contacts),
        about=_joined(about),
        marks=" ".join(sorted(set(_marks(entry, functions)))),
    )


def asked_marks(search: Search) -> Iterator[str]:
    """Yield the marks that every document found must have."""
    if search.country:
        yield mark("c", search.country)
    if search.power is not None:
        yield mark("p", search.power)
    if search.network:
        yield mark("n", search.network)
    if search.function is not None and search.language:
        yield _pair(search.function, search.language)
    elif search.function is not None:
        yield mark("f", search.function)
    elif search.language:
        yield mark("l", search.language)


def mark(kind: str, code: str) -> str:
    """Return the mark of a code: letters and digits in lower case behind the letter of its kind."""
    return kind + "".join(letter for letter in code.casefold() if letter.isalnum())


def _pair(function: Function, language: str) -> str:
    return f"{mark('f', function)}x{mark('l', language)}"


def _functions(entry: AuthorityEntry) -> set[Function]:
    own = entry.profile.functions if entry.profile is not None else ()
    return {*own, *(function for contact in entry.contacts for function in contact.functions)}


def _marks(entry: AuthorityEntry, functions: set[Function]) -> Iterator[str]:
    yield mark("c", entry.country)
    yield mark("k", entry.kind)
    yield from (mark("f", function) for function in functions)
    pairs = [(contact.functions, contact.languages) for contact in entry.contacts]
    if entry.profile is not None:
        profile = entry.profile
        yield from (mark("p", power) for power in profile.powers)
        yield from (mark("n", membership.network) for membership in profile.networks)
        pairs.append((profile.functions, profile.languages_accepted))
        yield from _language_marks(profile.languages_spoken)
    for its_functions, languages in pairs:
        yield from _language_marks(languages)
        yield from (
            f"{mark('f', function)}x{language}"
            for function in its_functions
            for language in _language_marks(languages)
        )


def _language_marks(languages: Iterable[str]) -> Iterator[str]:
    """Yield the mark of each language whole and of its first part: `pt-BR` is found by `pt`."""
    for language in languages:
        yield mark("l", language)
        yield mark("l", language.partition("-")[0])


def _joined(texts: Iterable[str]) -> str:
    return " ".join(word for text in texts for word in words_of(text))
