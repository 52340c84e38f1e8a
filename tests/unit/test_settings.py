"""A wrong setting is one line that says how to mend it."""

import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from settings import Settings, SettingsError

KEY = "sk-never-to-be-shown"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of this test's own, with no setting in the environment."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_has_to_be_set() -> None:
    settings = Settings.load()
    assert settings.database_url == "sqlite+aiosqlite:///.perdure/perdure.db"
    assert settings.ai_task_queue == "perdure"
    assert settings.openai_api_key is None


def test_a_file_is_read_and_the_environment_wins(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".env").write_text("AI_TASK_QUEUE=from-file\nAI_METRICS_PORT=1\n")
    monkeypatch.setenv("AI_METRICS_PORT", "2")
    settings = Settings.load()
    assert (settings.ai_task_queue, settings.ai_metrics_port) == ("from-file", 2)


def test_an_override_wins_over_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_TASK_QUEUE", "from-environment")
    assert Settings.load(ai_task_queue="given").ai_task_queue == "given"


def test_an_empty_value_is_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_TASK_QUEUE", "")
    monkeypatch.setenv("OPENAI_API_KEY", "")
    settings = Settings.load()
    assert (settings.ai_task_queue, settings.openai_api_key) == ("perdure", None)


def test_the_data_folder_holds_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_DATA_DIR", "/data")
    assert Settings.load().database_url == "sqlite+aiosqlite:////data/perdure.db"


def test_allowed_hosts_are_a_comma_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_FETCH_ALLOWED_HOSTS", " a.example , 10.0.0.5:8000,")
    assert Settings.load().ai_fetch_allowed_hosts == ("a.example", "10.0.0.5:8000")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AI_METRICS_PORT", "often"),
        ("AI_METRICS_PORT", "65536"),
        ("AI_MAX_ARTIFACT_BYTES", "0"),
        ("AI_LOG_FORMAT", "xml"),
        ("AI_AUTH", "maybe"),
        ("AI_AUTH", "required"),
        ("AI_DATABASE_URL", "mysql://somewhere"),
        ("OPENAI_BASE_URL", "api.openai.com"),
    ],
)
def test_a_wrong_value_is_one_line_with_variable_and_example(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    line = str(caught.value)
    assert line.startswith(f"{name}: ")
    assert f"Example: {name}=" in line
    assert "\n" not in line


def test_a_wrong_value_in_the_file_is_named_too(folder: Path) -> None:
    (folder / ".env").write_text("AI_METRICS_PORT=often\n")
    with pytest.raises(SettingsError, match=r"^AI_METRICS_PORT: .*'often'"):
        Settings.load()


def test_a_value_with_a_line_break_stays_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_LOG_FORMAT", "a\nb")
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("where", ["file", "environment"])
def test_a_misspelt_variable_is_refused_with_the_right_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    if where == "file":
        (folder / ".env").write_text("AI_TASK_QEUE=calls\n")
    else:
        monkeypatch.setenv("AI_TASK_QEUE", "calls")
    with pytest.raises(SettingsError, match=r"AI_TASK_QEUE .* AI_TASK_QUEUE\?"):
        Settings.load()


def test_other_programs_variables_are_let_be(folder: Path) -> None:
    (folder / ".env").write_text("AI_COMPANY_NAME=x\nTEMPORAL_ADDRESS=x\nPATH_TO_X=y\n")
    Settings.load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_API_KEY", f"{KEY} \u00e9"),
        ("AI_DATABASE_URL", f"postgresql://jane:{KEY}@host/db"),
        ("AI_DATABASE_URL", f"postgresql+asyncpg://jane:{KEY}@host"),
        ("AI_DATABASE_URL", f"postgresql+asyncpg://jane:a@{KEY}@host/db"),
        ("AI_DATABASE_URL", f"postgresql+asyncpg://jane:1/{KEY}?b@host/db"),
        ("OPENAI_BASE_URL", f"ftp://jane:{KEY}@host/v1"),
    ],
)
def test_a_wrong_secret_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+asyncpg://jane:p%40ss@db.example.com:5433/perdure?ssl=verify-full",
        "postgresql+asyncpg://jane@/perdure?host=/var/run/postgresql",
        "postgresql+asyncpg://jane:secret@[::1]/perdure",
        "sqlite+aiosqlite:////var/lib/perdure.db",
    ],
)
def test_a_database_is_taken_as_it_is_given(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("AI_DATABASE_URL", url)
    assert Settings.load().database_url == url


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (
            "postgres://host/db",
            r"must begin with postgresql\+asyncpg:// or sqlite\+aiosqlite:///\.",
        ),
        ("postgresql+psycopg://host/db", "must begin with"),
        ("postgresql+asyncpg://host", "must name a host and a database"),
        ("postgresql+asyncpg:///db", "must name a host and a database"),
        ("postgresql+asyncpg://jane:a/b@host/db", "written as %40"),
        ("postgresql+asyncpg://jane:a#b@host/db", "written as %40"),
        ("postgresql+asyncpg://jane:a@b@host/db", "written as %40"),
        ("postgresql+asyncpg://host:99999/db", "must name a host"),
        ("postgresql+asyncpg://host/db?sslmode=require", "takes the parameters ssl and host only"),
        ("postgresql+asyncpg://host/db?ssl=true", "'ssl' takes disable, .*, verify-full"),
    ],
)
def test_a_database_that_could_not_be_reached_by_its_address_is_told_why(
    monkeypatch: pytest.MonkeyPatch, url: str, reason: str
) -> None:
    monkeypatch.setenv("AI_DATABASE_URL", url)
    with pytest.raises(SettingsError, match=reason):
        Settings.load()


def test_postgresql_without_its_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    monkeypatch.setenv("AI_DATABASE_URL", "postgresql+asyncpg://jane:secret@host/db")
    with pytest.raises(SettingsError, match=r"pip install 'perdure\[postgres\]'"):
        Settings.load()


def test_a_key_is_not_shown_by_printing_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("AI_DATABASE_URL", f"postgresql+asyncpg://jane:{KEY}@host/db")
    settings = Settings.load()
    assert settings.openai_api_key is not None
    assert settings.openai_api_key.get_secret_value() == KEY
    assert KEY not in f"{settings!r} {settings} {settings.model_dump()}"


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings.load().ai_task_queue = "other"  # type: ignore[misc]


def test_every_setting_has_a_description_and_an_example() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.examples, name
