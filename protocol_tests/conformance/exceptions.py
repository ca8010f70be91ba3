"""The gaps of streamable HTTP that are still ours to close."""

from __future__ import annotations

from collections.abc import Mapping

_SHAPES = "The SDK's transport answers -32602 with its validation report, and id null, to all that is no message."
_NOTES = "The SDK's transport answers a malformed notification."
_ANSWERS = "The SDK's transport refuses a response that is no object instead of passing it on; the tool waits."

# By test, or by test[case]: what is wrong. Each entry is a strict expected failure.
GAPS: Mapping[str, str] = {
    "test_json_that_is_no_request_is_refused": _SHAPES,
    "test_a_request_that_is_none_is_refused_by_its_id": _SHAPES,
    "test_a_request_with_an_id_of_another_kind_is_refused_and_not_run": _SHAPES,
    "test_what_nearly_is_json_is_refused[nan]": _SHAPES,
    "test_what_nearly_is_json_is_refused[infinity]": _SHAPES,
    "test_params_of_the_wrong_shape_are_refused[tools/list-[]]": _SHAPES,
    "test_params_of_the_wrong_shape_are_refused[ping-x]": _SHAPES,
    "test_what_wants_no_answer_gets_none[{'method': 'tools/list', 'params': []}]": _NOTES,
    "test_what_wants_no_answer_gets_none[{'method': 'notifications/initialized', 'params': 'x'}]": _NOTES,
    "test_a_batch_is_answered_with_one_array": "The SDK takes no batches, which 2025-03-26 requires.",
    "test_an_empty_batch_is_refused": _SHAPES,
    "test_initialize_in_a_batch_is_refused_and_a_later_one_works": "The SDK takes no batches.",
    "test_before_the_handshake_only_ping_is_served": "The SDK serves no ping before there is a session.",
    "test_two_requests_with_one_id_do_no_harm": "Of two requests with one id, the SDK answers only one.",
    "test_a_cancelled_call_is_stopped_and_nothing_more_comes_of_it": "The SDK answers a cancelled request with -32800.",
    "test_a_cancellation_too_late_or_of_another_type_changes_nothing": 'To the SDK a cancellation of "7" is one of 7.',
    "test_an_answer_that_is_no_object_is_an_error_of_the_tool": _ANSWERS,
    "test_roots_that_are_refused_are_an_error_of_the_tool[{'result': 5}]": _ANSWERS,
}
