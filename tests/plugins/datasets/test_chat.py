"""Chats become texts by the template that comes with a tokenizer, which can reach nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest

from ovquant.domain.sample import IGNORED, own_tokens
from ovquant.errors import DataError
from ovquant.plugins.datasets import open_dataset
from ovquant.plugins.datasets.chat import ChatTemplate
from ovquant.plugins.datasets.text import Text
from tests.plugins.datasets.test_text import WORDS, save_tokenizer, write

TEMPLATE = "{% for message in messages %}{{ bos_token }} {{ message.content }} {% endfor %}"
CHAT = [{"role": "user", "content": "good film"}, {"role": "assistant", "content": "bad"}]


def configured(folder: Path, **config: Any) -> Path:
    file = save_tokenizer(folder, WORDS)
    known = json.loads(file.read_text())
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    known["added_tokens"] = [{"id": number, "content": WORDS[number], **special} for number in (0, 2, 3)]
    file.write_text(json.dumps(known))
    (folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": "[CLS]", **config}))
    return file


@pytest.mark.parametrize(
    "named", [TEMPLATE, [{"name": "tools", "template": "no"}, {"name": "default", "template": TEMPLATE}]]
)
def test_a_chat_is_what_the_template_makes_of_it(tmp_path: Path, named: Any) -> None:
    file = configured(tmp_path, chat_template=named)
    assert ChatTemplate.beside(file).render(CHAT).split() == ["[CLS]", "good", "film", "[CLS]", "bad"]


def test_a_template_in_a_file_of_its_own_comes_first_and_tokens_may_have_options(tmp_path: Path) -> None:
    file = configured(tmp_path, chat_template="no", bos_token={"content": "[SEP]", "lstrip": False})
    (tmp_path / "chat_template.jinja").write_text(TEMPLATE)
    assert ChatTemplate.beside(file).render(CHAT).startswith("[SEP] good")


def test_messages_are_read_where_there_is_no_text(tmp_path: Path) -> None:
    configured(tmp_path, chat_template=TEMPLATE)
    data = Text(write(tmp_path / "chats.jsonl", [{"messages": CHAT}, {"messages": CHAT[:1]}]))
    inputs: Any = data[1].inputs
    # What begins and ends a text is the template's, and not put in twice.
    assert inputs["input_ids"].tolist() == [WORDS.index(word) for word in ("[CLS]", "good", "film")]
    assert len(data[0].inputs["input_ids"]) == 5  # type: ignore[index, call-overload]
    named = Text(write(tmp_path / "named.jsonl", [{"text": "bad", "talk": CHAT}]), messages="talk")
    assert len(named[0].inputs["input_ids"]) == 5  # type: ignore[index, call-overload]
    assert open_dataset(tmp_path / "chats.jsonl")[0].target is None


def test_special_tokens_and_padding_are_no_words_of_a_text(tmp_path: Path) -> None:
    configured(tmp_path, chat_template=TEMPLATE)
    data = Text(write(tmp_path / "chats.jsonl", [{"messages": CHAT}]), pad=7)
    tokens = own_tokens(data[0])
    assert tokens is not None
    words = [WORDS[token] if token != IGNORED else "" for token in tokens]
    assert words == ["", "good", "film", "", "bad", "", ""]


@pytest.mark.parametrize(
    ("template", "messages", "said"),
    [
        ("", CHAT, "no chat template: neither chat_template.jinja nor a chat_template in tokenizer_config.json"),
        ("{% for %}", CHAT, "cannot be read"),
        (TEMPLATE, "good film", "Row 0 .*a list of messages, each with a role and a content"),
        (TEMPLATE, ["good"], "Row 0 .*a list of messages"),
        ("{{ raise_exception('roles must alternate') }}", CHAT, "Row 0 .*refuses the messages: roles must alternate"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", CHAT, "Row 0 .*refuses the messages: .*unsafe"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, template: str, messages: Any, said: str) -> None:
    configured(tmp_path, chat_template=template)
    path = write(tmp_path / "chats.jsonl", [{"messages": messages}])
    with pytest.raises(DataError, match=said):
        Text(path)[0]
