"""The commands `extract` and `serve`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from jaxattack.attacks.extraction import lookup
from jaxattack.attacks.naming import named
from jaxattack.audit import Victim, open_victim
from jaxattack.audit import extract as run_extraction
from jaxattack.audit.encryption import under_encryption
from jaxattack.audit.estimators import ESTIMATORS
from jaxattack.audit.model_source import is_factory
from jaxattack.audit.victim_names import TAKES, kind_of
from jaxattack.cli.choices import explained
from jaxattack.cli.credentials import Credentials
from jaxattack.cli.output import (
    RUNS,
    CredentialOptions,
    Output,
    OutputOptions,
    Printing,
    PrintingOptions,
    flat,
    print_json,
    progress,
    publish,
    resumable,
    say,
)
from jaxattack.cli.terms import TermOptions, Terms, on_terms
from jaxattack.disk import LARGEST_JSON, decode_json
from jaxattack.models.nets import ARCHITECTURES
from jaxattack.npz import UnreadableError, reason
from jaxattack.oracle import DETECTORS, connect
from jaxattack.oracle.identity import fingerprint_of, identity
from jaxattack.oracle.ledger import PRICE, standing_for
from jaxattack.oracle.remote.address import mask_url
from jaxattack.release import installation
from jaxattack.serve import Key, Settings, missing_packages, require_packages, serving
from jaxattack.serve import serve as run_server
from jaxattack.types import InputError, at_least, config


@dataclass(frozen=True, kw_only=True)
class Listening:
    """Where the service listens, and whom it answers.

    Attributes:
        host: the address to listen on.
        port: 0 for a free one.
        keys: a JSON file of those who may ask, [{"name": .., "secret": .., "queries": .., "per_second": ..}]; the last two
            are optional. Anyone may ask where there is no such file.
        spending: keeps what every key has spent, so that budgets hold over restarts; by default the file of keys with .spent
            after its name.

    Raises:
        InputError: no port.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    keys: Path | None = None
    spending: Path | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise InputError(f"port is {self.port}: give 1 to 65535, or 0 for a free one.")


@config
class Stealing:
    """What is tried on a victim.

    Attributes:
        method: the attack; the one that fits the victim by default. A name may set fields, as softmax?queries=200.
        budget: queries, at most; what the attack asks by itself by default.
        seed: decides everything random.
        compare: random inputs on which the stolen model is compared with the victim, beside all records held out: 10,000
            by default. A prediction API counts them: there they are inputs in all, 100 by default, half of them records
            held out where there are some, within the budget and asked when the attack and its verification have ended.
        trials: inputs on which the stolen model is verified; they are paid for by the attacker, within the budget. 0 for
            none, and then nothing is complete.
        watch: prada, and the report says at which question an owner who watches the distances between questions would have
            raised the alarm. The name may set fields, as "prada?delta=0.95". Watching changes no answer.

    Raises:
        InputError: a value out of range.
    """

    method: str | None = None
    budget: int | None = None
    seed: int = 0
    compare: int | None = None
    trials: int = 500
    watch: str | None = None

    def __post_init__(self) -> None:
        at_least(1, budget=self.budget, compare=self.compare)
        at_least(0, trials=self.trials)

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the questions, for the name of a run's folder."""
        words = asdict(self)
        del words["watch"]
        return words


StealingOptions = Annotated[Stealing, flat("The attack")]
_CREDENTIALS = Credentials()
_TERMS, _STEALING, _OUTPUT, _LISTENING, _SETTINGS = Terms(), Stealing(), Output(), Listening(), Settings()
_PRINTING = Printing()


@explained
def extract(
    victim: str = "softmax",
    /,
    *,
    data: str | None = None,
    in_process: bool = False,
    encrypted: bool = False,
    price: float | None = None,
    factory: str | None = None,
    credentials: CredentialOptions = _CREDENTIALS,
    terms: TermOptions = _TERMS,
    stealing: StealingOptions = _STEALING,
    output: OutputOptions = _OUTPUT,
    out: Path | None = None,
) -> None:
    """What are its weights? Steal a model through its answers, compare it with the original, and write a report.

    Without options: trains a softmax regression on scikit-learn's digits, serves it on loopback, and steals it over HTTP.

    The run folder keeps every answer: the same command after a kill pays for none of them again.

    VICTIMS

    METHODS

    Examples:

        jaxattack extract tree --data iris --in-process

        jaxattack extract model.skops --data records.npz --method softmax

        jaxattack extract logistic --encrypted

        jaxattack extract softmax --method uniform-retraining --budget 400 --watch prada

        JAXATTACK_KEY=... jaxattack extract https://api.example.org --budget 5000 --out stolen

    Args:
        victim: one of the list above.
        data: the records it is trained on, or to compare on: as `jaxattack data` lists them; digits by default.
        in_process: ask the victim in this process, not over HTTP.
        encrypted: ask a linear victim under encryption (CKKS; the extra `encrypted`), in this process: the service computes on
            what it cannot read, and the ledger has the bytes of ciphertexts.
        price: of a query, in dollars; by default what a service documents, and 0.0001 elsewhere.
        factory: package.module:factory, where a model folder names that: code, which is imported only if you write it here.
        out: the run folder; by default one in ./jaxattack-runs named after the settings.
    """
    output.check("extraction")
    check_victim(victim)
    if in_process and is_service(victim):
        raise InputError(f"in-process is given and {mask_url(victim)} is asked over HTTP: leave in-process out.")
    if encrypted and terms != _TERMS:
        raise InputError("encrypted is given and so are terms: a service does not change answers that it cannot read.")
    attack = None if stealing.method is None else lookup(stealing.method)
    watch = None if stealing.watch is None else named(stealing.watch, DETECTORS, "detector")
    key = credentials.read(service=is_service(victim))
    local = in_process or encrypted or is_service(victim) or _without_server(output)
    with progress(output) as report:
        target = open_victim(
            victim, data=data, level=terms.level, precision=terms.precision,
            seed=stealing.seed if "seed" in TAKES[kind_of(victim)] else None, price=price, key=key, factory=factory,
            progress=report,
        )  # fmt: skip
        if encrypted:
            target = under_encryption(target, price=PRICE if price is None else price)
        folder = out or RUNS / named_run("extract", mask_url(victim), target, terms.settings, stealing.settings)
        target = on_terms(target, terms, stealing.seed)
        with resumable(folder), over_http(target, price, enabled=not local) as service:
            result = run_extraction(
                service,
                attack,
                budget=stealing.budget,
                seed=stealing.seed,
                compare=stealing.compare,
                trials=stealing.trials,
                watch=watch,
                out=folder,
                progress=report,
            )
    publish(folder, result.findings, output, secrets=(key,) if key else ())


def _without_server(output: Output) -> bool:
    """Whether what serves is not installed, which a person is told before anything is trained."""
    if missing := missing_packages():
        say(
            output,
            f"{' and '.join(missing)} cannot be imported, so the victim is asked in this process and not over HTTP: the answers "
            f"are the same. To ask it over HTTP: {installation('serve')}",
        )
    return bool(missing)


def is_service(victim: str) -> bool:
    """Whether a victim's name is the address of a prediction API."""
    return kind_of(victim) == "service"


_NETWORKS = {example.partition(":")[0] for example in (*ARCHITECTURES, "dae:1000-300")}


def check_victim(name: str) -> None:
    """Refuse, before anything is trained, a name of no victim: it may be meant as a file that nothing here reads.

    Raises:
        InputError: it says what a victim may be.
    """
    kind = name.partition(":")[0]
    if kind_of(name) != "network" or is_factory(name) or kind in _NETWORKS:
        return
    near = get_close_matches(kind, (*_NETWORKS, *ESTIMATORS), n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise InputError(
        f"victim is {mask_url(name)!r}{hint}, which is none: give one that --help lists, a folder of jaxattack train, a .skops or .onnx file, or "
        "an address as http://127.0.0.1:8000; pickles are never read."
    )


@contextmanager
def over_http(victim: Victim, price: float | None, *, enabled: bool) -> Iterator[Victim]:
    """The victim behind a service on loopback, where that is asked for and it is not a service already."""
    if victim.url is not None or not enabled:
        yield victim
        return
    with serving(victim.oracle) as url, connect(url, price=PRICE if price is None else price) as client:
        oracle = standing_for(client, victim.oracle)
        yield replace(victim, oracle=oracle, transport="over HTTP on loopback, as .npy")


def named_run(command: str, victim: str, target: Victim, *settings: Mapping[str, object]) -> str:
    """The name of a run's folder: the command, the victim, and a digest of everything that decides the result.

    Another model under the same path has another folder: what is digested is its content, not where it lies.
    """
    words = "".join(c if c.isalnum() else "-" for c in Path(victim).stem).strip("-")
    digest = fingerprint_of([target.identity | {"victim": victim}, identity(target.oracle), *settings])
    return f"{command}-{words}-{digest[:8]}"


@explained
def serve(
    victim: str = "softmax",
    /,
    *,
    data: str | None = None,
    seed: int | None = None,
    factory: str | None = None,
    listening: Annotated[Listening, flat("Where and to whom")] = _LISTENING,
    limits: Annotated[Settings, flat("Limits")] = _SETTINGS,
    terms: TermOptions = _TERMS,
    output: PrintingOptions = _PRINTING,
) -> None:
    """Serve a model as a prediction API, until Ctrl-C or SIGTERM.

    VICTIMS

    Example:

        jaxattack serve victim --port 8000 --decimals 3 --keys keys.json

    Args:
        victim: one of the list above.
        data: the records it is trained on, as `jaxattack data` lists them; digits by default.
        seed: decides its training and its noise; 0 by default.
        factory: package.module:factory, where a model folder names that: code, which is imported only if you write it here.
    """
    check_victim(victim)
    require_packages()
    keys = _keys(listening.keys)
    with progress(output) as report:
        target = open_victim(
            victim,
            data=data,
            level=terms.level,
            precision=terms.precision,
            seed=seed if "seed" in TAKES[kind_of(victim)] or not terms.noise else None,
            price=limits.price,
            factory=factory,
            progress=report,
        )
    for note in target.notes:
        say(output, note)
    spending = listening.spending or _beside(listening.keys)
    if spending is not None:
        say(output, f"What each key has spent is kept in {spending}.")
    run_server(
        on_terms(target, terms, seed or 0).oracle,
        listening.host,
        listening.port,
        keys=keys,
        settings=limits,
        spending=spending,
        ready=lambda url: _tell_address(output, target, url),
    )


def _tell_address(output: Printing, victim: Victim, url: str) -> None:
    """Say where a victim is served, once it is."""
    if output.json:
        print_json({"victim": victim.name, "url": url})
        sys.stdout.flush()  # a program waits for it, and the command goes on
    say(output, f"Serving {victim.name} at {url}; Ctrl-C to stop.")


def _beside(keys: Path | None) -> Path | None:
    """Where spending is kept by default; nowhere where the keys come from a pipe."""
    return keys.with_name(f"{keys.name}.spent") if keys is not None and keys.is_file() else None


def _keys(file: Path | None) -> list[Key]:
    if file is None:
        return []
    try:
        with open(file, "rb") as stream:  # a pipe is fine: a password manager may write into one
            entries = decode_json(stream.read(LARGEST_JSON + 1))
        return [Key(**entry) for entry in entries]
    except InputError:
        raise
    except (OSError, UnreadableError) as error:
        why = reason(error)
    except TypeError:  # its message may quote a secret that stands where a name is due
        why = "it holds something else than name, secret, queries and per_second"
    raise InputError(f'keys is {file} and cannot be read ({why}): give [{{"name": .., "secret": ..}}].')
