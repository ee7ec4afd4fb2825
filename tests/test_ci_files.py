"""The action and the image: what they name exists, and the action's own script runs as it stands."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
KNOWN = {"FROM", "ARG", "RUN", "COPY", "ENV", "USER", "WORKDIR", "ENTRYPOINT", "CMD"}


def instructions() -> list[tuple[str, str]]:
    """(instruction, its arguments on one line) of the Dockerfile."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines)).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined)]


def of(name: str) -> list[str]:
    return [rest for word, rest in instructions() if word == name]


def step(name: str) -> dict:
    (found,) = [step for step in ACTION["runs"]["steps"] if step.get("name") == name]
    return found


def test_the_action_is_a_composite_whose_inputs_are_used_and_known():
    assert ACTION["runs"]["using"] == "composite"
    used = set(re.findall(r"inputs\.([\w-]+)", str(ACTION["runs"])))
    assert used == set(ACTION["inputs"])
    assert all("description" in entry for entry in ACTION["inputs"].values())
    assert all("shell" in step for step in ACTION["runs"]["steps"] if "run" in step)


def test_no_input_is_pasted_into_a_script():
    """An input in the text of a script would be run by the shell; it comes as a variable instead."""
    assert [step["name"] for step in ACTION["runs"]["steps"] if "${{" in step.get("run", "")] == []


@pytest.mark.parametrize("extras", [ACTION["inputs"]["extras"]["default"], of("ARG")[0].removeprefix("EXTRAS=")])
def test_extras_exist(extras):
    assert set(extras.split(",")) <= set(PROJECT["project"]["optional-dependencies"])


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ("--fail-under parse_rate=0.9 --out 'a b' --junit junit.xml", 0),
        ("--fail-under 'fmc=0.9' --out r; touch pwned", 2),
        ("--fail-if 'parse_rate > 0.5' --out '$(touch pwned)'", 4),
    ],
)
def test_the_script_of_the_action_runs_listeval_and_gives_its_exit_code(tmp_path, args, code):
    run = "run --task fashion --backend null --model gold --limit 3 --quiet "
    environment = os.environ | {
        "LISTEVAL_ARGS": run + args,
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    script = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step("Run listeval")["run"]]
    done = subprocess.run(script, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert (tmp_path / "output").read_text() == f"exit-code={code}\n"
    assert not (tmp_path / "pwned").exists()
    assert (tmp_path / "a b").is_dir() == (code == 0)


@pytest.mark.parametrize(
    ("extras", "options", "wanted"),
    [
        ("cpu,hub", "--pre -U", ["--pre", "-U", "/a b[cpu,hub]"]),
        ("", "", ["/a b"]),
        ("", "--index-url https://a.example\n--pre\n", ["--index-url", "https://a.example", "--pre", "/a b"]),
        (
            "",
            "--find-links 'my wheels' \"$(touch pwned)\" ;",
            ["--find-links", "my wheels", "$(touch pwned)", ";", "/a b"],
        ),
    ],
)
def test_the_install_script_reads_arguments_as_a_shell_does(tmp_path, extras, options, wanted):
    """pip is one that writes down what it is called with."""
    (tmp_path / "pip.py").write_text("import sys\nopen('called', 'w').write('\\0'.join(sys.argv[1:]))\n")
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PYTHONPATH": str(tmp_path),
        "GITHUB_ACTION_PATH": "/a b",
        "EXTRAS": extras,
        "PIP_ARGS": options,
    }
    script = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step("Install listeval")["run"]]
    subprocess.run(script, cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "called").read_text().split("\0") == ["install", "--quiet", *wanted]
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("script", [step["run"] for step in ACTION["runs"]["steps"] if "run" in step])
def test_the_scripts_fail_where_what_they_run_fails(tmp_path, script):
    (tmp_path / "python").write_text("#!/bin/bash\nexit 3\n")
    (tmp_path / "python").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "GITHUB_OUTPUT": "/dev/null"}
    assert subprocess.run(["bash", "-eo", "pipefail", "-c", script], env=environment, check=False).returncode == 3


def test_the_image_s_instructions_are_known_and_its_entry_point_is_the_command():
    assert {word for word, _ in instructions()} == KNOWN
    assert instructions()[0][0] == "FROM"
    (entry,) = of("ENTRYPOINT")
    assert yaml.safe_load(entry) == ["listeval"] and "listeval" in PROJECT["project"]["scripts"]
    assert of("USER") == ["listeval"]


def test_the_image_is_given_all_that_the_package_is_built_from():
    sources = [source for line in of("COPY") for source in shlex.split(line)[:-1]]
    assert [source for source in sources if not (ROOT / source).exists()] == []
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = [*wheel["packages"], *wheel["force-include"], PROJECT["project"]["readme"], "pyproject.toml"]
    needed += PROJECT["project"]["license-files"]
    assert [path for path in needed if not any(Path(path).is_relative_to(source) for source in sources)] == []


def test_nothing_that_the_image_needs_is_ignored():
    ignored = {line.strip("/") for line in (ROOT / ".dockerignore").read_text().split()}
    sources = [source for line in of("COPY") for source in shlex.split(line)[:-1]]
    assert ignored & {part for source in sources for part in Path(source).parts} == set()


def test_the_image_s_python_is_one_that_the_package_takes():
    found = re.fullmatch(r"python:3\.(\d+)-slim", of("FROM")[0])
    assert found and int(found[1]) >= int(PROJECT["project"]["requires-python"].rpartition(".")[2])
