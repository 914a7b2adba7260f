"""Naming and connecting real models, as far as that needs no network."""

from __future__ import annotations

import pickle
import sys
import traceback
import types

import pytest

from antiphon import (
    AssistantTemplate,
    LinearTemplate,
    Observer,
    Runner,
    SubroutineTemplate,
    UserTemplate,
    connect,
    observing,
)
from antiphon.errors import AntiphonError, ConnectionNotPossible, InvalidValue


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", ["gpt-4o-mini", "openai:", ":gpt-4o-mini", ":", ""])
@pytest.mark.parametrize(
    "use", [connect, Runner, lambda name: AssistantTemplate(model=name), lambda name: Runner("a:b").fork(name)]
)
def test_a_name_without_a_provider_or_a_model_is_refused_at_once(use, name):
    with pytest.raises(ValueError, match=r'does not name a model: write "provider:model", as in "openai:gpt-4o-mini"'):
        use(name)


@pytest.mark.parametrize(
    ("setting", "value", "valid"),
    [
        ("temperature", "hot", "Input should be a valid number"),
        ("max_tokens", 0, "Input should be greater than or equal to 1"),
        ("top_p", 1.5, "Input should be less than or equal to 1"),
        ("stop", "END", "Input should be a valid list"),
    ],
)
def test_a_setting_that_cannot_have_that_value_is_refused_by_name(setting, value, valid):
    with pytest.raises(InvalidValue) as caught:
        connect("openai:gpt-4o-mini", **{setting: value})

    assert f"settings of 'openai:gpt-4o-mini' are wrong:\n  {setting} cannot be {value!r}: {valid}" in str(caught.value)


def test_every_wrong_setting_is_named():
    with pytest.raises(InvalidValue, match=r"temperature cannot be -1: .*\n  seed cannot be 'x': "):
        connect("openai:gpt-4o-mini", temperature=-1, seed="x")


@pytest.mark.parametrize("name", ["openai:gpt-4o-mini", "anthropic:claude-haiku-4-5", "google:gemini-2.5-flash-lite"])
def test_a_misspelt_setting_is_refused_before_a_missing_key(name):
    with pytest.raises(InvalidValue, match="knows no setting 'temprature'; did you mean 'temperature'"):
        connect(name, temprature=0)
    with pytest.raises(ConnectionNotPossible, match="there is no key"):
        connect(name, temperature=0)


@pytest.mark.parametrize("wrong", [42, None, b"openai:gpt-4o-mini", ["openai:gpt-4o-mini"]])
def test_connect_takes_text(wrong):
    with pytest.raises(TypeError, match="connect takes the name of a model"):
        connect(wrong)


@pytest.mark.parametrize("wrong", [42, b"openai:gpt-4o-mini", ["openai:gpt-4o-mini"], object, lambda session: "x"])
@pytest.mark.parametrize(
    "use",
    [
        Runner,
        lambda model: AssistantTemplate(model=model),
        lambda model: SubroutineTemplate(UserTemplate("x"), model=model),
        lambda model: Runner("a:b").fork(model),
        lambda model: setattr(AssistantTemplate(), "model", model),
    ],
)
def test_what_is_neither_a_model_nor_a_name_is_a_type_error_that_names_it(use, wrong):
    with pytest.raises(TypeError, match="model takes a Model or a name") as caught:
        use(wrong)

    assert repr(wrong) in str(caught.value)
    assert type(wrong).__name__ in str(caught.value)


def test_a_missing_key_says_which_variable_to_set():
    with pytest.raises(ConnectionNotPossible) as caught:
        connect("openai:gpt-4o-mini")

    assert "'openai:gpt-4o-mini' cannot be connected: there is no key" in str(caught.value)
    assert "set the environment variable OPENAI_API_KEY, or pass api_key= to connect()" in str(caught.value)
    assert isinstance(caught.value, AntiphonError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.llm_live(reason="it is not reached")
def test_a_missing_key_of_a_model_known_by_name_is_said_when_it_is_first_asked(play):
    runner = Runner("openai:gpt-4o-mini", template=LinearTemplate([UserTemplate("x"), AssistantTemplate()]))

    with pytest.raises(ConnectionNotPossible, match="OPENAI_API_KEY"):
        play(runner)


def test_an_unknown_provider_is_refused_naming_it():
    with pytest.raises(ValueError, match="names the provider 'nobody'"):
        connect("nobody:model")


@pytest.mark.parametrize("where", ["runner", "template", "subroutine"])
def test_a_misspelt_provider_is_told_before_anything_about_live_calls_and_keys(where, play):
    answer = AssistantTemplate(model="opneai:gpt-4o" if where == "template" else None, template_id="answer")
    part = (
        SubroutineTemplate(LinearTemplate([UserTemplate("x"), answer]), model="opneai:gpt-4o")
        if where == "subroutine"
        else answer
    )
    runner = Runner("opneai:gpt-4o" if where == "runner" else "openai:gpt-4o")

    with pytest.raises(
        InvalidValue, match="provider 'opneai', which does not exist; did you mean 'openai:gpt-4o'"
    ) as it:
        play(runner, template=LinearTemplate([UserTemplate("x"), part]))

    assert any("answer" in note for note in it.value.__notes__)


def test_a_missing_package_of_a_provider_says_what_to_install(monkeypatch):
    for module in ("anthropic", "pydantic_ai.providers.anthropic", "pydantic_ai.models.anthropic"):
        monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(ConnectionNotPossible, match=r'pip install "antiphon\[anthropic\]"'):
        connect("anthropic:claude-haiku-4-5", api_key="unused")


def test_without_the_package_for_real_models_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydantic_ai", None)
    monkeypatch.delitem(sys.modules, "antiphon.providers.connection", raising=False)

    with pytest.raises(ConnectionNotPossible, match=r'pip install "antiphon\[openai\]"'):
        connect("openai:gpt-4o-mini", api_key="unused")


@pytest.mark.parametrize("missing", ["pydantic_ai", "openai", "the key"])
def test_what_is_missing_is_said_by_one_error(missing, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    for module in ("antiphon.providers.connection", "pydantic_ai.providers.openai"):
        monkeypatch.delitem(sys.modules, module, raising=False)

    with pytest.raises(ConnectionNotPossible) as caught:
        connect("openai:gpt-4o-mini", temperature=0)

    said = "".join(traceback.format_exception(caught.value))
    assert said.count("Traceback") == 1
    assert said.count("ConnectionNotPossible: ") == 1


def test_a_broken_package_is_told_with_its_error(monkeypatch):
    class Broken(types.ModuleType):
        def __getattr__(self, name):
            raise ImportError("libssl.so.3: cannot open shared object file")

    monkeypatch.setitem(sys.modules, "openai", Broken("openai"))
    monkeypatch.delitem(sys.modules, "pydantic_ai.providers.openai", raising=False)

    with pytest.raises(ConnectionNotPossible) as caught:
        connect("openai:gpt-4o-mini", api_key="unused")

    assert "libssl" in "".join(traceback.format_exception(caught.value))


def test_connected_models_carry_their_settings_and_forks_share_the_connection():
    model = connect("openai:gpt-4o-mini", api_key="unused", temperature=0.5, top_k=3)
    fork = Runner(model).fork().model

    assert model.name == "openai:gpt-4o-mini"
    assert fork.settings.model_dump(exclude_none=True) == {"temperature": 0.5, "top_k": 3}
    assert fork.settings is not model.settings
    assert fork.origin is model


def test_the_representation_of_a_model_names_it_and_no_key():
    model = connect("openai:gpt-4o-mini", api_key="sk-very-secret")

    assert "openai:gpt-4o-mini" in repr(model)
    assert "sk-very-secret" not in repr(model) + repr(vars(model))


@pytest.mark.parametrize("settings", [{"temperature": -1}, {"max_tokens": 0}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match="greater than"):
        connect("openai:gpt-4o-mini", api_key="unused", **settings)


@pytest.mark.llm_live(reason="it is not reached")
def test_an_observer_can_keep_a_real_model_from_being_called(play):
    class Objecting(Observer):
        def __init__(self):
            self.calls = []

        def on_live_call(self, event):
            raise PermissionError(f"{event.model} at {event.path}")

        def on_model_call(self, call):
            self.calls.append(call)

    tree = LinearTemplate([UserTemplate("Hello."), AssistantTemplate(template_id="answer")])
    objection = pytest.raises(PermissionError, match="openai:gpt-4o-mini at linear/answer")
    with observing(Objecting()) as observer, objection as caught:
        play(Runner("openai:gpt-4o-mini", template=tree))

    assert [call.error for call in observer.calls] == [caught.value]
