"""One script, whoever asks: sync, async, forks, threads and tasks."""

from __future__ import annotations


def test_one_script_serves_sync_and_async_in_turn(project):
    project.tests(
        """
        import asyncio

        def test_it(scripted_model):
            model = scripted_model("one", "two", "three", "four")
            runner = Runner(model, template=talk())
            hello = Session(messages=[Message(role="user", content="Hello.")])
            said = [
                runner.run().last.content,
                asyncio.run(runner.arun()).last.content,
                model.send(hello).content,
                asyncio.run(model.asend(hello)).content,
            ]
            assert said == ["one", "two", "three", "four"]
        """
    )

    assert project.outcomes() == {"passed": 1}


def test_a_fork_plays_on_from_where_its_parent_is(project):
    project.tests(
        """
        import copy

        def test_it(scripted_model):
            model = scripted_model("one", "two", "three", "four")
            runner = Runner(model)
            assert ask(model).last.content == "one"
            assert ask(runner.fork().model).last.content == "two"
            assert ask(runner.fork().fork().model).last.content == "three"
            assert ask(copy.deepcopy(model)).last.content == "four"
            assert model.remaining == 0
            assert len(model.calls) == 4
        """
    )

    assert project.outcomes() == {"passed": 1}


def test_a_subroutine_plays_from_its_parents_script_and_a_swallowed_call_too_many_is_seen(project):
    project.tests(
        """
        def test_plays(scripted_model):
            model = scripted_model("looked up", "answered")
            assert research(model).last.content == "looked up"
            assert ask(model).last.content == "answered"

        def test_is_over(scripted_model):
            swallow(research, scripted_model())
        """
    )

    result = project.run()

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["UnscriptedCall: *was asked by the template at 'research/linear-1/summary'*"])


def test_threads_take_each_step_once(project):
    project.tests(
        """
        import sys
        from concurrent.futures import ThreadPoolExecutor

        def test_it(scripted_model, llm_trace):
            steps = [str(number) for number in range(200)]
            model = scripted_model(*steps)
            interval = sys.getswitchinterval()
            sys.setswitchinterval(1e-6)
            try:
                with ThreadPoolExecutor(8) as pool:
                    said = list(pool.map(lambda _: ask(model).last.content, steps))
            finally:
                sys.setswitchinterval(interval)
            assert sorted(said, key=int) == steps
            assert len(model.calls) == len(llm_trace.calls) == 200

        def test_is_over(scripted_model):
            with ThreadPoolExecutor(2) as pool:
                pool.submit(ask, scripted_model(name="asked in a thread"))
        """
    )

    result = project.run()

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["UnscriptedCall: scripted_model 'asked in a thread' was asked*"])


def test_tasks_take_each_step_once(project):
    project.tests(
        """
        import asyncio

        def test_it(scripted_model, llm_trace):
            model = scripted_model(*map(str, range(20)))

            async def many():
                runs = (Runner(model, template=talk()).arun() for _ in range(20))
                return await asyncio.gather(*runs)

            said = [session.last.content for session in asyncio.run(many())]
            assert sorted(said, key=int) == [str(number) for number in range(20)]
            assert len(llm_trace.calls) == 20

        def test_is_over(scripted_model):
            async def many():
                runs = [Runner(scripted_model(name="asked in a task"), template=talk()).arun() for _ in range(2)]
                return await asyncio.gather(*runs, return_exceptions=True)

            asyncio.run(many())
        """
    )

    result = project.run("--show-capture=no")

    result.assert_outcomes(passed=1, failed=1)
    assert str(result.stdout).count("UnscriptedCall: scripted_model 'asked in a task' was asked") == 2
