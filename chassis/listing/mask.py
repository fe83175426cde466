"""Update masks (AIP-134): which fields a change is about."""

from __future__ import annotations

from collections.abc import Collection

from chassis.faults import FieldViolation, Invalid


def chosen_fields(
    mask_paths: Collection[str], present_fields: Collection[str], updatable: Collection[str]
) -> frozenset[str]:
    """The fields to change.

    Args:
        mask_paths: the paths of the update mask; may be empty, or `*`.
        present_fields: the fields that are not empty in the request's resource.
        updatable: the fields that can be changed at all.

    Returns:
        Those of the mask; all that can be changed for `*`; without a mask, those that are not empty
        and can be changed.

    Raises:
        Invalid: FIELD_NOT_UPDATABLE, the mask names another field.
    """
    if not mask_paths:
        return frozenset(present_fields) & frozenset(updatable)
    if "*" in mask_paths:
        return frozenset(updatable)
    wrong = [path for path in mask_paths if path not in updatable]
    if wrong:
        known = ", ".join(sorted(updatable))
        raise Invalid(
            f"{', '.join(map(repr, wrong))} cannot be changed; the mask may name {known}.",
            reason="FIELD_NOT_UPDATABLE",
            fields=[
                FieldViolation("update_mask", f"{path!r} cannot be changed; use {known}.")
                for path in wrong
            ],
        )
    return frozenset(mask_paths)
