"""A declarative schema of parameters: names, aliases, what is allowed, and what may be tuned.

Knows nothing of any library; the tables are in `crossfold.algorithms.parameters` and
`crossfold.request`.  The idea of one schema that both checks a job and describes an algorithm is
that of AWS's XGBoost container; field names of the description: AWS API reference,
``HyperParameterSpecification``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from crossfold.contract.hyperparameters import is_nothing, shortened, unquote
from crossfold.contract.parameter_kinds import Categorical, Kind, Mistake, Nothing, OneOf
from crossfold.errors import UserError

Scaling = Literal["Auto", "Linear", "Logarithmic", "ReverseLogarithmic"]
Use = Literal["use", "ignore", "refuse"]

_N_SUGGESTIONS = 3


@dataclass(frozen=True, slots=True)
class Tuning:
    """The range that is worth searching, ends included, and its scale."""

    low: float
    high: float
    scaling: Scaling = "Linear"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an algorithm or of ours.

    Attributes
    ----------
    name : str
        The library's own name, which the decoded value is stored under.
    kind : Kind
        What texts are allowed.
    aliases : tuple of str
        Other names for the same thing.
    default : str, optional
        The library's default as text, for the description only.
    tuning : Tuning, optional
        Recommended range of a numeric parameter.
    tunable : bool
        Whether a tuner may vary it; true for whatever has a `tuning`.
    use : {'use', 'ignore', 'refuse'}
        ``ignore`` accepts and notes, ``refuse`` is an error; both tell the `reason`.
    """

    name: str
    kind: Kind
    aliases: tuple[str, ...] = ()
    description: str = ""
    default: str | None = None
    tuning: Tuning | None = None
    tunable: bool = False
    use: Use = "use"
    reason: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Every accepted spelling, the own name first."""
        return (self.name, *self.aliases)

    def decode(self, text: str, *, given_name: str | None = None) -> Any:
        """Turn a text into a typed value.

        Raises
        ------
        UserError
            The text is not allowed; the message names the hyperparameter as it was given.
        """
        return decode_as(self.kind, text, f"hyperparameter {given_name or self.name!r}")

    def takes_nothing(self, text: str) -> bool:
        """Whether a text for None is a value of its own here, not the absence of one."""
        kinds = self.kind.kinds if isinstance(self.kind, OneOf) else (self.kind,)
        return any(
            isinstance(kind, Nothing)
            or (isinstance(kind, Categorical) and text in dict(kind.synonyms))
            for kind in kinds
        )


@dataclass(frozen=True, slots=True)
class Decoded:
    """Typed values under the schema's names, the names they were given under, and remarks."""

    values: dict[str, Any]
    given_names: dict[str, str]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Schema:
    """The parameters of one algorithm.

    Attributes
    ----------
    title : str
        Who takes the parameters, for messages: ``XGBoost``.
    reference : str
        Where all names are listed, for messages.
    """

    title: str
    parameters: tuple[Parameter, ...]
    reference: str = ""
    ignores_case: bool = False
    _by_name: dict[str, Parameter] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_name: dict[str, Parameter] = {}
        for parameter in self.parameters:
            for name in parameter.names:
                assert name not in by_name, f"{self.title}: {name} is declared twice"
                by_name[name] = parameter
        object.__setattr__(self, "_by_name", by_name)

    @property
    def names(self) -> tuple[str, ...]:
        """Every accepted spelling."""
        return tuple(self._by_name)

    def find(self, name: str) -> Parameter | None:
        """Return the parameter with this name or alias, or None.

        Where the schema ignores case, a spelling counts that fits one parameter only.
        """
        found = self._by_name.get(name)
        if found is None and self.ignores_case:
            alike = {
                parameter.name: parameter
                for known, parameter in self._by_name.items()
                if known.lower() == name.lower()
            }
            if len(alike) == 1:
                (found,) = alike.values()
        return found

    def decode(self, raw: Mapping[str, str], *, also_known: Iterable[str] = ()) -> Decoded:
        """Decode all texts; None and empty texts leave a parameter at its default.

        Parameters
        ----------
        raw : mapping
            Texts under own names or aliases.
        also_known : iterable of str
            Names from elsewhere, to be suggested for unknown names.

        Raises
        ------
        UserError
            A name is unknown or refused, a text is not allowed, or two spellings of one parameter
            contradict each other.
        """
        decoded = Decoded(values={}, given_names={}, notes=())
        notes: list[str] = []
        for name, text in raw.items():
            parameter = self.find(name)
            if parameter is None:
                raise UserError(self.unknown(name, text, also_known))
            if parameter.use == "refuse":
                raise UserError(f"hyperparameter {name!r} is not accepted: {parameter.reason}")
            if parameter.use == "ignore":
                notes.append(f"hyperparameter {name!r} is ignored: {parameter.reason}")
                continue
            bare = unquote(text)
            if is_nothing(bare) and not parameter.takes_nothing(bare):
                continue
            _add(decoded, parameter, name, text)
        return Decoded(decoded.values, decoded.given_names, tuple(notes))

    def unknown(self, name: str, text: str, also_known: Iterable[str] = ()) -> str:
        """Return the message for a name that nobody knows."""
        known = sorted({*self.names, *also_known})
        near = nearest(name, known)
        suggestion = f"; nearest: {', '.join(near)}" if near else ""
        listed = f" (listed in {self.reference})" if self.reference else ""
        return (
            f"hyperparameter {shortened(name)!r} (value {shortened(text, 40)!r}) is unknown to "
            f"{self.title}{suggestion}; {len(known)} names are allowed{listed}"
        )


def decode_as(kind: Kind, text: str, what: str) -> Any:
    """Turn a text into a value of a kind; `what` begins the message, as in ``hyperparameter 'a'``.

    Raises
    ------
    UserError
        The text is not allowed.
    """
    try:
        return kind.decode(unquote(text))
    except (ValueError, RecursionError) as cause:
        hint = f"; {cause.hint}" if isinstance(cause, Mistake) else ""
        raise UserError(f"{what} is {shortened(text)!r}; expected {kind.expected}{hint}") from cause


def nearest(name: str, known: Iterable[str], limit: int = _N_SUGGESTIONS) -> list[str]:
    """Return at most `limit` known names that look like a name, nearest first."""
    # Only a failing job needs it.
    from difflib import get_close_matches

    return get_close_matches(name, list(known), n=limit, cutoff=0.6)


def _add(decoded: Decoded, parameter: Parameter, name: str, text: str) -> None:
    value = parameter.decode(text, given_name=name)
    if parameter.name in decoded.values and decoded.values[parameter.name] != value:
        raise UserError(
            f"hyperparameters {decoded.given_names[parameter.name]!r} and {name!r} are the same "
            f"and contradict each other ({decoded.values[parameter.name]!r} and {value!r}); "
            "keep one"
        )
    decoded.values[parameter.name] = value
    decoded.given_names.setdefault(parameter.name, name)
