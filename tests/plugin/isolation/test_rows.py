"""Rows of databases that other packages than SQLAlchemy map: what the program loads later is no change."""

from __future__ import annotations

import pytest

ORMS = {
    "sqlmodel": """
        from sqlmodel import Field, Relationship, Session as Database, SQLModel, create_engine, select

        class Team(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            name: str

        class Hero(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            name: str
            team_id: int | None = Field(default=None, foreign_key="team.id")
            team: Team | None = Relationship()

        engine = create_engine("sqlite://")
        SQLModel.metadata.create_all(engine)
        database = Database(engine)
        database.add(Hero(name="Ada", team=Team(name="red")))
        database.commit()

        def load():
            return database.exec(select(Hero)).one()
        """,
    "django": """
        import django
        from django.apps import apps
        from django.conf import settings

        DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
        if not settings.configured:  # django stays as it is where the test is run again
            settings.configure(INSTALLED_APPS=["shop"], DATABASES=DATABASES)
            django.setup()

        from django.db import connection, models

        apps.all_models["shop"].clear()
        apps.clear_cache()

        class Team(models.Model):
            name = models.TextField()
            class Meta:
                app_label = "shop"

        class Hero(models.Model):
            name = models.TextField()
            team = models.ForeignKey(Team, on_delete=models.CASCADE)
            class Meta:
                app_label = "shop"

        for table in ("shop_hero", "shop_team"):
            connection.cursor().execute(f"drop table if exists {table}")
        with connection.schema_editor() as editor:
            editor.create_model(Team)
            editor.create_model(Hero)
        Hero.objects.create(name="Ada", team=Team.objects.create(name="red"))

        def load():
            return Hero.objects.defer("name").get()
        """,
    "peewee": """
        from peewee import ForeignKeyField, Model, SqliteDatabase, TextField

        database = SqliteDatabase(":memory:")

        class Team(Model):
            name = TextField()
            class Meta:
                database = database

        class Hero(Model):
            name = TextField()
            team = ForeignKeyField(Team)
            class Meta:
                database = database

        database.create_tables([Team, Hero])
        Hero.create(name="Ada", team=Team.create(name="red"))

        def load():
            return Hero.get()
        """,
}
PROGRAM = """
    from rows import load

    from antiphon import AssistantTemplate, LinearTemplate, Runner, Session, SubroutineTemplate, UserTemplate

    def run(scripted_model, use):
        hero = load()

        def transform(session):
            use(hero)
            return session

        ask = LinearTemplate([UserTemplate("Who?"), AssistantTemplate(after_transform=transform)])
        tree = SubroutineTemplate(ask, "ask")
        Runner(scripted_model("Ada"), template=tree).run(Session(metadata={"hero": hero}))

    def test_read(scripted_model):
        run(scripted_model, lambda hero: (hero.name, hero.team.name))

    def test_renamed(scripted_model):
        run(scripted_model, lambda hero: (hero.name, setattr(hero, "name", "Bob"), setattr(hero, "team_id", 7)))
    """


@pytest.mark.parametrize("orm", ORMS)
def test_what_is_loaded_later_is_no_change_and_what_is_written_is(project, orm):
    pytest.importorskip(orm)  # stays imported after the inner run, as its classes do
    project.file("shop/__init__.py", "")
    project.file("rows.py", ORMS[orm])
    project.tests(PROGRAM)

    result = project.run("--templates-isolation=precise")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*metadata[[]'hero'].team_id was 1 and is 7*"])
    result.stdout.no_fnmatch_line("*by identity alone*")


def test_a_struct_of_msgspec_is_compared_by_what_it_holds(project):
    pytest.importorskip("msgspec")
    project.ini("templates_isolation_unseen = fail")
    struct = 'import msgspec\ndef load():\n    return msgspec.defstruct("Hero", ["name"])("Ada")\n'
    project.file("rows.py", struct)
    project.tests(PROGRAM.replace(", hero.team.name", ""))

    result = project.run("-k", "read")

    result.assert_outcomes(passed=1, deselected=1)
