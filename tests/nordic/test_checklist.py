"""The 26 points that a service for Nordic's clients has to fulfil, each with the tests that prove it."""

from importlib import import_module
from pathlib import Path

import pytest

from tests.nordic.units import Unit

DOCUMENT = Path(__file__).parents[2] / "docs" / "nrf-cloud.md"

POINTS: dict[str, dict[str, str]] = {
    "01 addresses and the bearer's key": {
        "rest.test_claiming": "test_another_name_of_the_address_does_the_same",
        "nordic.test_refusals": "test_a_wrong_key_is_told_and_claims_nothing",
    },
    "02 a dry run": {
        "rest.test_claiming": "test_a_dry_run_says_that_it_would_work_and_changes_nothing",
        "nordic.test_refusals": "test_a_device_of_ones_own_is_not_claimed_twice",
    },
    "03 a claim": {
        "rest.test_claiming": "test_a_device_is_claimed_by_its_token",
    },
    "04 claims in bulk": {
        "rest.test_bulk_claims": "test_a_header_that_is_called_content_type_in_one_word_says_csv",
        "nordic.test_claim_devices": "test_where_nothing_is_claimed_every_row_has_its_reason",
    },
    "05 tags": {
        "rest.test_claiming": "test_one_text_with_a_comma_is_two_tags",
        "nordic.test_claim_devices": "test_two_tags_in_one_text_are_two_and_what_cannot_be_claimed_stops_nothing",
    },
    "06 unclaiming": {
        "rest.test_claiming": "test_an_unclaimed_device_is_claimed_anew_and_has_nothing_of_before",
        "nordic.test_refusals": "test_an_unknown_device_is_unclaimed_without_harm",
    },
    "07 a command is put": {
        "rest.test_commands": "test_twenty_fit_and_no_more",
        "standalone.test_wrong_commands": "test_a_wrong_field_is_refused_by_name",
    },
    "08 a command is read": {
        "nordic.test_devices_of_nordic": "test_a_request_is_kept_as_the_modem_wrote_it_without_what_is_around_it",
        "nordic.test_claim_and_provision_device": "test_a_modem_that_makes_no_key_ends_the_program_with_the_reason",
    },
    "09 rules": {
        "rest.test_rules": "test_a_hundred_rules_are_the_most_and_all_on_one_page",
        "nordic.test_claim_and_provision_device": "test_first_contact_runs_the_rule_and_the_second_gives_nothing_twice",
    },
    "10 every refusal is JSON with a message": {
        "rest.test_refusals_have_one_shape": "test_each_kind_of_refusal_has_the_shape",
    },
    "11 asking without end": {
        "nordic.test_checklist": "test_an_owner_may_ask_for_a_command_without_end",
    },
    "12 blocking": {
        "nordic.test_statuses": "test_a_blocked_device_is_403_and_goes_on_where_it_was",
    },
    "13 commands over HTTP": {
        "nordic.test_statuses": "test_commands_are_200_in_cbor_and_nothing_is_204_without_a_body",
        "wire.test_modem_commands": "test_what_goes_out_is_what_the_library_takes",
    },
    "14 what a device can receive": {
        "nordic.test_sizes": "test_every_answer_fits_and_everything_is_done",
        "wire.test_modem_commands": "test_a_long_line_goes_alone",
        "core.test_serving": "test_a_command_that_can_never_fit_fails_at_the_head_of_what_is_open",
    },
    "15 what a device can send": {
        "wire.test_modem_commands": "test_a_device_that_can_send_little_makes_one_key_at_a_time",
    },
    "16 ids": {
        "wire.test_modem_commands": "test_ids_are_as_long_as_the_library_has_room_for_and_no_longer",
        "nordic.test_failures": "test_a_helper_step_that_fails_is_its_commands_failure",
    },
    "17 order and settings": {
        "core.test_serving": "test_finished_ends_the_answer",
        "wire.test_modem_commands": "test_a_step_holds_ten_settings",
    },
    "18 reports": {
        "nordic.test_statuses": "test_a_report_is_200_again_and_again",
        "nordic.test_devices_of_nordic": "test_the_smallest_buffers_do",
    },
    "19 what is left unanswered": {
        "core.test_serving": "test_a_command_left_unanswered_ten_times_fails_at_the_next_get",
    },
    "20 what a modem cannot": {
        "nordic.test_failures": "test_a_modem_that_cannot_make_a_key_is_told_reset_and_provisioned",
    },
    "21 settings and the end": {
        "nordic.test_devices_of_nordic": "test_what_is_asked_after_the_end_is_done_as_well",
    },
    "22 statuses": {
        "nordic.test_statuses": "test_who_asks_too_often_is_told_to_come_later_by_500",
        "nordic.test_sizes": "test_what_is_refused_fits_the_smallest_buffer",
    },
    "23 tokens": {
        "nordic.test_statuses": "test_a_token_that_is_no_good_is_401_in_words",
        "nordic.test_first_use": "test_a_modem_out_of_the_box_is_claimed_learnt_and_onboarded",
        "pki.test_device_tokens": "test_a_modems_claims_are_read",
    },
    "24 a device that nobody claimed": {
        "nordic.test_statuses": "test_an_unclaimed_device_whose_key_is_known_is_403",
    },
    "25 CoAP": {
        "nordic.test_checklist": "test_coap_is_not_offered_and_the_document_says_so",
    },
    "26 the programs and the vectors": {
        "nordic.test_claim_and_provision_device": "test_the_program_ends_well_and_so_does_the_modem",
        "nordic.test_claim_devices": "test_a_file_of_devices_is_claimed",
        "simulator.test_nordic": "test_the_vectors_are_read",
        "wire.test_vectors": "test_a_message_down_is_these_bytes",
        "pki.test_attestation_tokens": "test_a_modems_token_tells_its_device",
    },
}


def test_all_points_are_here() -> None:
    assert [int(point[:2]) for point in POINTS] == list(range(1, 27))


@pytest.mark.parametrize("point", POINTS)
def test_the_point_is_proven(point: str) -> None:
    assert POINTS[point]
    for module, name in POINTS[point].items():
        assert callable(getattr(import_module(f"tests.{module}"), name))


def test_an_owner_may_ask_for_a_command_without_end(claimed: Unit) -> None:
    """The programs ask every five seconds for as long as it takes; many of them at once, perhaps."""
    (waiting,) = claimed.device.add({"config": {"a": "b"}})
    assert set(claimed.device.states(*[waiting] * 150)) == {"PENDING"}


def test_coap_is_not_offered_and_the_document_says_so() -> None:
    assert "| CoAP | **not offered**" in DOCUMENT.read_text()
