"""The machine: an entry of the catalogue, from which allocations are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum

from machines_svc.domain.faults import (
    MachineActive,
    MachineNotActive,
    MachineNotDraft,
    MachineNotSubmitted,
)
from machines_svc.domain.health import Probe, RestartPolicy

DELETED_PUBLISHER = "users/deleted"
"""Who made the machines of a person who has gone."""


class State(Enum):
    """The life of a machine; the values are the names in the contract."""

    DRAFT = "DRAFT"
    ACTIVE = "ACTIVE"
    RETIRED = "RETIRED"


class Protocol(Enum):
    """The transport protocol of a port; the values are the names in the contract."""

    TCP = "TCP"
    UDP = "UDP"


class StopSignal(Enum):
    """A signal that asks a program to end; the values are the names in the contract."""

    SIGTERM = "SIGTERM"
    SIGINT = "SIGINT"
    SIGQUIT = "SIGQUIT"
    SIGHUP = "SIGHUP"
    SIGUSR1 = "SIGUSR1"
    SIGUSR2 = "SIGUSR2"


@dataclass(frozen=True, slots=True)
class Port:
    """A port that a machine listens on.

    Attributes:
        number: inside the container, 1 to 65535.
        protocol: the transport protocol.
        title: what it is for; may be empty.
        scheme: with which a client opens it, `http`; empty where there is none.
    """

    number: int
    protocol: Protocol = Protocol.TCP
    title: str = ""
    scheme: str = ""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that a machine takes, in the environment of its instances.

    Attributes:
        key: the name of the environment variable.
        title: what people are asked; may be empty.
        description: a longer explanation; may be empty.
        required: whether an allocation without it, where there is no default, is refused.
        default_value: the value where none is given; empty for none.
        secret: whether its value is stored encrypted and never shown again.
        choices: the values that it may have; empty for any.
        pattern: a regular expression that the whole value matches; empty for any.
        generated_length: how many characters a value has that is made where none is given; 0 where
            none is made.
    """

    key: str
    title: str = ""
    description: str = ""
    required: bool = False
    default_value: str = ""
    secret: bool = False
    choices: tuple[str, ...] = ()
    pattern: str = ""
    generated_length: int = 0


@dataclass(frozen=True, slots=True)
class Volume:
    """A folder that an allocation keeps while it lives.

    Attributes:
        path: where the program finds it, `/data`.
        size_mib: how much room the machine asks for.
        title: what it is for; may be empty.
    """

    path: str
    size_mib: int
    title: str = ""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of money.

    Attributes:
        currency_code: ISO 4217, `EUR`.
        minor_units: how much, in the smallest unit of the currency.
    """

    currency_code: str
    minor_units: int


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """What an admin says of a machine; the attributes are named as in the contract.

    Attributes:
        title: what people read first.
        description: Markdown; may be empty.
        image: the container image; empty for a machine that only a process can run.
        command: the program and its arguments; empty for what the image runs by itself.
        needs_image: whether the program of the command comes with the image.
        ports: the first is the main one.
        variables: in the order in which people are asked for them.
        resource_class: how much of the host it may use.
        probe: how one sees that it is ready; None for the default.
        price_per_hour: None for nothing.
        stock: how many may be allocated at once; 0 for no limit.
        labels: free labels.
        run_as: the user inside the container; empty for the image's own.
        stop_grace: how long it may take to stop by itself; None for the default.
        stop_signal: what asks it to end; None for the image's own, or SIGTERM.
        volumes: the folders that an allocation keeps.
        restart_policy: what becomes of a program that has ended by itself; None for NEVER.
        category: what kind of thing it is, in one word; empty for none.
        tags: words to find it by.
    """

    title: str
    description: str = ""
    image: str = ""
    command: tuple[str, ...] = ()
    needs_image: bool = False
    ports: tuple[Port, ...] = ()
    variables: tuple[Variable, ...] = ()
    resource_class: str = ""
    probe: Probe | None = None
    price_per_hour: Money | None = None
    stock: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    run_as: str = ""
    stop_grace: timedelta | None = None
    stop_signal: StopSignal | None = None
    volumes: tuple[Volume, ...] = ()
    restart_policy: RestartPolicy | None = None
    category: str = ""
    tags: tuple[str, ...] = ()


class PictureKind(Enum):
    """What a picture is for; the values are the ends of its resource name."""

    ICON = "icon"
    BANNER = "banner"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, without its bytes.

    Attributes:
        media_type: `image/png`, `image/jpeg` or `image/webp`.
        digest: the SHA-256 of its bytes, in hexadecimal digits.
        width: in pixels.
        height: in pixels.
        size_bytes: how large it is.
    """

    media_type: str
    digest: str
    width: int
    height: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a fork comes from.

    Attributes:
        machine: `machines/{machine}`; it may be gone by now.
        version: of that machine.
    """

    machine: str
    version: int


@dataclass(frozen=True, slots=True)
class Submission:
    """A draft that was shown to the admins.

    Attributes:
        submit_time: when, UTC in milliseconds.
        reject_time: when an admin said no; None while it waits for one.
        rejection: why.
    """

    submit_time: datetime
    reject_time: datetime | None = None
    rejection: str = ""

    @property
    def waits(self) -> bool:
        """Whether no admin has answered yet."""
        return self.reject_time is None


@dataclass(frozen=True, slots=True)
class Standing:
    """What others make of a machine; no part of its versions.

    Attributes:
        rating_hundredths: the mean of its stars, 100 to 500; 0 without reviews.
        reviews: how many it has.
        rents: how often it was rented.
    """

    rating_hundredths: int = 0
    reviews: int = 0
    rents: int = 0


@dataclass(frozen=True, slots=True)
class Machine:
    """An entry of the catalogue. Each change makes a new one with the next version.

    Attributes:
        name: `machines/{machine}`, never changed.
        uid: a UUID that is never used twice, also when the name is.
        spec: what an admin says of it.
        state: where it is in its life.
        publisher: who made it, `users/{user}`; empty for the allocator itself, `users/deleted` where
            the person has gone.
        version: counts the changes, from 1.
        create_time: when it was made, UTC in milliseconds.
        update_time: when it last changed, UTC in milliseconds.
        pictures: by what they are for.
        forked_from: where it comes from; None for one that was made from nothing.
        submission: what came of showing it to the admins; None where that was not done.
        standing: what others make of it, where it was read from a store.
    """

    name: str
    uid: str
    spec: MachineSpec
    state: State
    publisher: str
    version: int
    create_time: datetime
    update_time: datetime
    pictures: Mapping[PictureKind, Picture] = field(default_factory=dict)
    forked_from: Lineage | None = None
    submission: Submission | None = None
    standing: Standing = field(default=Standing(), compare=False)

    @property
    def is_submitted(self) -> bool:
        """Whether it waits for an admin."""
        return self.submission is not None and self.submission.waits

    def edited(self, spec: MachineSpec, now: datetime, *, by_admin: bool = True) -> Machine:
        """The machine with another spec; itself where nothing differs.

        Where its publisher changes what waits for an admin, it waits no longer: admins publish what
        they have seen.
        """
        if spec == self.spec:
            return self
        changed = self._next(now, spec=spec)
        return changed if by_admin else changed.taken_back()

    def pictured(
        self, kind: PictureKind, picture: Picture | None, now: datetime, *, by_admin: bool
    ) -> Machine:
        """The machine with another picture, or without one; itself where nothing differs."""
        if self.pictures.get(kind) == picture:
            return self
        pictures = {other: kept for other, kept in self.pictures.items() if other is not kind}
        if picture is not None:
            pictures[kind] = picture
        changed = replace(self._next(now), pictures=pictures)
        return changed if by_admin else changed.taken_back()

    def taken_back(self) -> Machine:
        """The machine, no longer waiting for an admin; what an admin said before stays."""
        return replace(self, submission=None) if self.is_submitted else self

    def submitted(self, now: datetime) -> Machine:
        """The machine, waiting for an admin; itself where it does so already.

        Raises:
            MachineNotDraft: it is not a draft.
        """
        self.check_draft()
        if self.is_submitted:
            return self
        return replace(self._next(now), submission=Submission(now))

    def rejected(self, rejection: str, now: datetime) -> Machine:
        """The machine, refused by an admin.

        Raises:
            MachineNotSubmitted: it does not wait for an admin.
        """
        if self.submission is None or not self.submission.waits:
            raise MachineNotSubmitted(
                f"{self.name} does not wait for an admin; only a draft that was submitted can be "
                "rejected.",
                machine=self.name,
            )
        refused = replace(self.submission, reject_time=now, rejection=rejection)
        return replace(self._next(now), submission=refused)

    def check_draft(self) -> None:
        """Makes sure that it is a draft.

        Raises:
            MachineNotDraft: it is not.
        """
        if self.state is not State.DRAFT:
            raise MachineNotDraft(
                f"{self.name} is {self.state.value} and no draft any more; fork it, or ask an admin "
                "to change it.",
                machine=self.name,
                state=self.state.value,
            )

    def disowned(self, now: datetime) -> Machine:
        """The machine of a person who has gone."""
        return replace(self._next(now), publisher=DELETED_PUBLISHER)

    def published(self, now: datetime) -> Machine:
        """The machine in the catalogue; itself where it is there already."""
        if self.state is State.ACTIVE:
            return self
        return replace(self._next(now, state=State.ACTIVE), submission=None)

    def retired(self, now: datetime) -> Machine:
        """The machine out of the catalogue.

        Raises:
            MachineNotActive: it is not in the catalogue.
        """
        if self.state is not State.ACTIVE:
            raise MachineNotActive(
                f"{self.name} is {self.state.value} and not in the catalogue; only a machine that is "
                "ACTIVE can be retired.",
                machine=self.name,
                state=self.state.value,
            )
        return self._next(now, state=State.RETIRED)

    def check_deletable(self) -> None:
        """Makes sure that the machine may be deleted.

        Raises:
            MachineActive: it is in the catalogue.
        """
        if self.state is State.ACTIVE:
            raise MachineActive(
                f"{self.name} is in the catalogue; retire it first.", machine=self.name
            )

    def _next(
        self, now: datetime, *, spec: MachineSpec | None = None, state: State | None = None
    ) -> Machine:
        return replace(
            self,
            spec=spec or self.spec,
            state=state or self.state,
            version=self.version + 1,
            update_time=now,
        )
