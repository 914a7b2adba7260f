"""Reports of long conversations stay short: a turn takes what is new in it."""

from __future__ import annotations

TURNS = 60

LONG = """
ALL = 10**6

def look_up(strategy):
    inner = LinearTemplate([UserTemplate("Look."), AssistantTemplate()])
    return SubroutineTemplate(inner, session_init_strategy=strategy)

def rewritten(session):
    session.messages[0] = Message(role="system", content=f"{len(session.messages)} so far")
    return session

def run(scripted_model, *more, **options):
    templates = [UserTemplate("Go on.", **options), AssistantTemplate(), *more]
    model = scripted_model().on(model="*").reply("Yes.", times=None)
    session = Session(messages=[Message(role="system", content="Help.")])
    Runner(model, template=LoopTemplate(templates, exit_loop_count=TURNS)).run(session)

def test_plain(scripted_model):
    run(scripted_model)

def test_beginning_anew(scripted_model):
    run(scripted_model, look_up(CleanSessionStrategy()))

def test_inheriting(scripted_model):
    run(scripted_model, look_up(LastNMessagesStrategy(ALL)))

def test_rewritten(scripted_model):
    run(scripted_model, after_transform=rewritten)

def test_direct(scripted_model):
    model, said = scripted_model().on(model="*").reply("Yes.", times=None), []
    for turn in range(TURNS):
        said.append({"role": "user", "content": f"Go on {turn}."})
        answer = model.send(Session(messages=[Message(**one) for one in said]))
        said.append({"role": "assistant", "content": answer.content})
""".replace("TURNS", str(TURNS))

MESSAGES = {  # for each turn
    "plain": 2,
    "beginning_anew": 4,
    "inheriting": 4,
    "rewritten": 3,
    "direct": 2,
}


def test_messages_are_kept_once_and_told_in_ranges(project, report_of, drawn):
    project.tests(LONG)

    tests = {test["nodeid"].removeprefix("test_it.py::test_"): test for test in report_of("-q")["tests"]}

    assert [test["outcome"] for test in tests.values()] == ["passed"] * 5
    for name, test in tests.items():
        assert len(test["messages"]) - 1 <= MESSAGES[name] * TURNS <= len(test["messages"]) + 1, name
        ranges = [step["before"] + step["sent"] for step in test["steps"] if step["type"] == "call"]
        assert max(map(len, ranges)) <= 3, name
        sent = [line.split("is sent ")[1].split(",")[0].split() for line in drawn(test).splitlines() if "sent" in line]
        longest = 1 + 2 * TURNS if name != "direct" else 2 * TURNS - 1
        assert max(map(len, sent)) >= longest - 2, name  # and yet all of it is known
