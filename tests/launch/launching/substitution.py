"""Substitutions of launch files: `$(var …)`, `$(find-pkg-share …)`, `$(eval '…')`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


class LaunchError(Exception):
    """A launch file that cannot be used, or that asks for more than this interpreter knows."""


@dataclass(frozen=True)
class Substitution:
    """`$(name argument …)`; an argument is a text with further substitutions."""

    name: str
    arguments: tuple[Template, ...]


Template = tuple["str | Substitution", ...]


def parse(text: str) -> Template:
    """A text as pieces: literal ones and substitutions."""
    reader = _Reader(text)
    template = reader.pieces(lambda _: False)
    return template


class _Reader:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def error(self, problem: str) -> LaunchError:
        return LaunchError(f"{problem} at character {self.at + 1} of {self.text!r}")

    def pieces(self, ends: Callable[[str], bool], escapes: bool = False) -> Template:
        pieces: list[str | Substitution] = []
        literal = ""
        while self.at < len(self.text) and not ends(self.text[self.at]):
            if self.text.startswith("$(", self.at):
                if literal:
                    pieces.append(literal)
                literal = ""
                self.at += 2
                pieces.append(self.substitution())
                continue
            if escapes and self.text[self.at] == "\\" and self.at + 1 < len(self.text):
                self.at += 1
            literal += self.text[self.at]
            self.at += 1
        return (*pieces, literal) if literal else tuple(pieces)

    def substitution(self) -> Substitution:
        words: list[Template] = []
        while True:
            while self.text[self.at : self.at + 1].isspace():
                self.at += 1
            character = self.text[self.at : self.at + 1]
            if character == ")":
                self.at += 1
                break
            if not character:
                raise self.error("expected ')', found the end")
            words.append(self.quoted(character) if character in "'\"" else self.word())
        match words:
            case [(str(name),), *arguments]:
                return Substitution(name, tuple(arguments))
            case _:
                raise self.error("expected the name of a substitution")

    def quoted(self, quote: str) -> Template:
        self.at += 1
        pieces = self.pieces(lambda character: character == quote, escapes=True)
        if self.at >= len(self.text):
            raise self.error(f"expected {quote}, found the end")
        self.at += 1
        return pieces

    def word(self) -> Template:
        return self.pieces(lambda character: character.isspace() or character == ")")


@dataclass(frozen=True)
class Substitutor:
    """Performs substitutions. `share` finds a package's share folder, and raises `LaunchError` where there is none."""

    share: Callable[[str], object]

    def perform(self, text: str, variables: Mapping[str, str]) -> str:
        return self.join(parse(text), variables)

    def join(self, template: Template, variables: Mapping[str, str]) -> str:
        return "".join(piece if isinstance(piece, str) else self.value(piece, variables) for piece in template)

    def value(self, substitution: Substitution, variables: Mapping[str, str]) -> str:
        arguments = [self.join(argument, variables) for argument in substitution.arguments]
        match substitution.name, arguments:
            case "var", [name]:
                if name not in variables:
                    raise LaunchError(f"$(var {name}): no such argument; there are {', '.join(sorted(variables))}")
                return variables[name]
            case "find-pkg-share", [package]:
                return str(self.share(package))
            case "eval", [expression]:
                try:
                    return str(eval(expression, {}, {}))
                except Exception as error:
                    raise LaunchError(f"$(eval {expression!r}): {error}") from error
            case name, _:
                raise LaunchError(f"$({name} …) with {len(arguments)} arguments is not known to this interpreter")


def split(text: str) -> list[str]:
    """A command line as words that still hold their substitutions."""
    words: list[str] = []
    depth, inside = 0, False
    for at, character in enumerate(text):
        opens = text.startswith("$(", at)
        depth += opens - (character == ")" and depth > 0)
        if character.isspace() and depth == 0:
            inside = False
        elif inside:
            words[-1] += character
        else:
            words.append(character)
            inside = True
    return words
