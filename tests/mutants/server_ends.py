"""Mutants of the server: session slots, log, limits."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

MUTANTS: list[Mutant] = [
    mutant("served-on-while-it-stops", "secftp/server/session.py", "        while not self._stopping():\n", "        while True:\n", "tests/server/test_stop.py::test_a_read_under_way_gets_time_to_complete_and_what_follows_it_is_not_begun"),
    mutant("place-never-given-back", "secftp/server/additional.py", "        self._slots.remove(connection.claim)\n        if lender is not None:\n", "        if lender is not None:\n", "tests/server/test_rejected_clients.py::test_a_place_that_is_free_again_is_had_by_the_next"),
    mutant("turned-away-without-a-bound", "secftp/server/registry.py", "            elif self._rejected >= REJECTED_MAX:\n                return False\n", "", "tests/server/test_rejected_clients.py::test_only_so_many_are_told_at_once_that_there_is_no_place"),
    mutant("turned-away-take-a-place", "secftp/server/registry.py", "            if connection.refused_by is None:\n                self._slots.add(connection.claim)\n", "            self._slots.add(connection.claim)\n            if connection.refused_by is None:\n                pass\n", "tests/server/test_rejected_clients.py::test_those_who_are_told_that_there_is_no_place_take_none"),
    mutant("turned-away-for-ever", "secftp/server/registry.py", "                self._rejected -= 1\n", "                pass\n", "tests/server/test_rejected_clients.py::test_only_so_many_are_told_at_once_that_there_is_no_place"),
    mutant("turned-away-and-served", "secftp/server/connection.py", '            if self.refused_by is None:\n                self._log.handshake("ok")', '            if True:\n                self._log.handshake("ok")', "tests/server/test_rejected_clients.py::test_only_so_many_are_told_at_once_that_there_is_no_place"),
    mutant("slow-transfers-are-not-cut", "secftp/server/connection.py", "        if rate < self._rate:\n", "        if rate < 0:\n", "tests/server/test_admission.py::test_a_transfer_slower_than_the_least_rate_is_cut"),
    mutant("descriptors-of-sessions-not-left", "secftp/server/options.py", " - SESSION_DESCRIPTORS * self.max_clients", "", "tests/server/test_running.py::test_limits_fit_the_descriptors_there_are"),
    mutant("log-through-a-link", "secftp/server/log_output.py", "os.O_CREAT | os.O_NOFOLLOW | ", "os.O_CREAT | ", "tests/server/test_running.py::test_a_log_file_that_is_none"),
    mutant("log-into-a-pipe", "secftp/server/log_output.py", "    if not stat.S_ISREG(os.fstat(descriptor).st_mode):\n", "    if False:\n", "tests/server/test_log.py::test_a_pipe_with_a_reader_is_no_log_file"),
    mutant("log-beneath-the-root", "secftp/server/log_output.py", '    check_file(path, root, "log file", is_key=False)\n', "", "tests/server/test_log.py::test_a_log_file_is_not_in_the_served_directory"),
    mutant("log-begun-anew", "secftp/server/log_output.py", "os.O_WRONLY | os.O_APPEND | ", "os.O_WRONLY | os.O_TRUNC | ", "tests/server/test_log.py::test_a_log_file_is_private_and_appended_to"),
    mutant("log-readable-by-others", "secftp/server/log_output.py", "MODE: Final = 0o640", "MODE: Final = 0o644", "tests/server/test_log.py::test_a_log_file_is_private_and_appended_to"),
    mutant("log-holds-up-the-server", "secftp/server/log_output.py", "PATIENCE_SECONDS: Final = 1.0", "PATIENCE_SECONDS: Final = 30.0", "tests/server/test_log.py::test_lines_without_a_reader_are_dropped_counted_and_told_of_and_no_caller_waits_for_long"),
    mutant("log-lines-lost-in-silence", "secftp/server/log_output.py", '                self.lost += parts[-1].count("\\n")\n', "", "tests/server/test_log.py::test_lines_without_a_reader_are_dropped_counted_and_told_of_and_no_caller_waits_for_long"),
    mutant("log-obeyed-by-a-terminal", "secftp/server/log_format.py", '    return text if text.isprintable() else "".join(sign if sign.isprintable() else "?" for sign in text)\n', "    return text\n", "tests/server/test_log.py::test_only_printable_signs_get_out_whatever_a_caller_forgot"),
    mutant("log-filled-by-unauthenticated-clients", "secftp/server/log.py", "            if self._unproved.take(lines, time.monotonic()):\n                return True\n", "            return True\n", "tests/server/test_log.py::test_clients_that_have_proved_nothing_can_not_fill_the_disk"),
    mutant("log-filled-by-limits", "secftp/server/log_limits.py", "            if not self._buckets[name].take(1, now):\n", "            if False:\n", "tests/server/test_log.py::test_a_limit_is_told_once_in_ten_seconds_and_those_between_are_counted"),
    mutant("log-of-events-without-a-bound", "secftp/server/log.py", "        elif self._log.spend(1):\n            self._log.event(name", "        else:\n            self._log.event(name", "tests/server/test_log.py::test_neither_can_they_with_events"),
    mutant("newcomers-overtake-their-address", "secftp/server/fairness.py", "            key, child = next(iter(node.turns.items()))\n", "            key, child = next(reversed(node.turns.items()))\n", "tests/server/test_hello_queue.py::test_newcomers_overtake_none_of_their_own_address_that_waits"),
    mutant("newcomers-wait-less-than-those-before-them", "secftp/server/throttle.py", "        return max(now, last + delay * (1 + waiting / SIDE_BY_SIDE))\n", "        return max(now, last + delay / (1 + waiting))\n", "tests/server/test_hello_queue.py::test_newcomers_overtake_none_of_their_own_address_that_waits"),
]  # fmt: skip
