from __future__ import annotations

import thieves_detected


def test_alarms_are_counted_by_kind_of_client_and_what_was_not_tested_is_left_out():
    rows = [
        {"kind": "theft", "lowest": 0.5, "alarms": [111, 111]},
        {"kind": "theft", "lowest": 0.93, "alarms": [None, 201]},
        {"kind": "theft", "lowest": None, "alarms": [None, None]},
        {"kind": "own records", "lowest": 0.97, "alarms": [None, None]},
    ]
    thefts, own = thieves_detected.told(rows)
    assert thefts == "theft: alarms for 1 of 2 at 0.9 (95%: 1.26% to 98.7%), 2 of 2 at 0.95 (95%: 15.8% to 100%)."
    assert own.startswith("own records: alarms for 0 of 1 at 0.9 (95%: ")
