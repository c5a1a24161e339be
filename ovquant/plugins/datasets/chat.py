"""Chats to texts, by the template that belongs to a model's tokenizer."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ovquant.errors import DataError

CONFIG, TEMPLATE = "tokenizer_config.json", "chat_template.jinja"


@dataclass(frozen=True)
class ChatTemplate:
    """The template of a tokenizer, as Transformers writes it: in a file of its own, or in tokenizer_config.json.

    It is code that comes with a model, and runs where it can reach nothing else (jinja2's ImmutableSandboxedEnvironment).
    """

    template: Any
    tokens: Mapping[str, str]

    @classmethod
    def beside(cls, tokenizer: Path) -> "ChatTemplate":
        """Read the template beside a tokenizer.json; raises DataError where there is none, or it cannot be read."""
        folder = tokenizer.parent
        try:
            config = json.loads((folder / CONFIG).read_text(encoding="utf-8")) if (folder / CONFIG).is_file() else {}
            own = folder / TEMPLATE
            source = own.read_text(encoding="utf-8") if own.is_file() else _default(config.get("chat_template"))
        except (OSError, ValueError, AttributeError) as error:
            raise DataError(f"The chat template beside '{tokenizer}' cannot be read: {error}") from error
        if not source:
            raise DataError(
                f"The data hold messages, and beside '{tokenizer}' is no chat template: neither {TEMPLATE} nor a chat_template in "
                f"{CONFIG}. Put one there, or give texts."
            )
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        try:
            made = ImmutableSandboxedEnvironment(
                trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
            ).from_string(source, globals={"raise_exception": _refuse})
        except Exception as error:  # jinja2 raises its own, and others for what a template computes while it is read
            raise DataError(f"The chat template beside '{tokenizer}' cannot be read: {error}") from error
        return cls(made, {name: _text(value) for name, value in config.items() if name.endswith("_token")})

    def render(self, messages: Any, *, reply: bool = False) -> str:
        """Return the text of a chat, a list of messages with role and content; reply: with what an answer begins with.

        Raises DataError for what is no chat.
        """
        fine = isinstance(messages, Sequence) and not isinstance(messages, str)
        if not fine or not all(isinstance(message, Mapping) for message in messages):
            raise DataError("A chat is a list of messages, each with a role and a content.")
        try:
            return str(self.template.render(messages=messages, add_generation_prompt=reply, **self.tokens))
        except Exception as error:  # whatever a template does
            raise DataError(f"The chat template refuses the messages: {error}") from error


def _default(given: Any) -> str:
    """Return a template's text, of several the one that is called default."""
    if isinstance(given, list):
        return next((item["template"] for item in given if item.get("name") == "default"), "")
    return given or ""


def _text(token: Any) -> str:
    """Return a token's text, which Transformers writes with its options or without."""
    return str(token["content"] if isinstance(token, Mapping) else token or "")


def _refuse(message: str) -> None:
    raise ValueError(message)
