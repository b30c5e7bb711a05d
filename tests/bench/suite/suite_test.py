#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The parts of the suite that measure nothing: figures, the outlier rule, ratios, charts, parsers, publishing."""
import json
import sys
import tempfile
import unittest
import xml.etree.ElementTree
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(TOP))
# pylint: disable=wrong-import-position
from tests.bench.suite import (bars, chart, client, figures, merge, other_clients, plots, publish,  # noqa: E402
                               records, sampling, table)
from tests.bench.suite.process import Failed  # noqa: E402

WRK = '''Running 1s test @ http://10.99.0.2
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   310.52us  120.10us   4.01ms   81.00%
  Latency Distribution
     50%  284.00us
     90%  401.00us
     99%    1.16ms
  108000 requests in 1.00s, 39.67MB read
Requests/sec: 107998.21
'''


def sample(value=100.0, round_trip_ns=100.0, **more):
    return records.Sample(value, round_trip_ns=round_trip_ns, **more)


def row(subject, values, **more):
    return records.Row('get-hit', 'GET hit', subject, '/s', {'connections': 64, 'link': 'memif'},
                       samples=[sample(value) for value in values], **more)


class Figures(unittest.TestCase):
    def test_three_digits_are_shown(self):
        cases = [(0, '0'), (0.314, '0.31'), (12.34, '12.3'), (155_200, '155 k'), (1_430_000, '1.43 M'),
                 (999_900, '1.00 M'), (1_000_000, '1 M'), (2e9, '2 G'), (64, '64')]
        for value, text in cases:
            self.assertEqual(figures.short(value), text, f'case {value}')


class Outliers(unittest.TestCase):
    def marks(self, *samples):
        made = row('gannet', [])
        made.samples = list(samples)
        sampling.mark_outliers([made])
        return [bool(one.mark) for one in samples]

    def test_cores_that_are_elsewhere_set_a_run_aside(self):
        self.assertEqual(self.marks(sample(), sample(), sample(round_trip_ns=490), sample(round_trip_ns=40)),
                         [False, False, True, True])

    def test_a_slow_run_alone_is_no_outlier(self):
        self.assertEqual(self.marks(sample(100), sample(100), sample(1)), [False, False, False])

    def test_a_client_without_its_core_and_a_stolen_core_set_a_run_aside(self):
        self.assertEqual(self.marks(sample(client_cpu=0.93), sample(steal=0.06), sample(client_cpu=0.95)),
                         [True, True, False])

    def test_the_median_is_of_what_counts_and_the_spread_of_everything(self):
        made = row('gannet', [10, 20, 1000])
        made.samples[2].mark = 'by rule'
        self.assertEqual((made.median(), made.lowest(), made.highest()), (15, 10, 1000))

    def test_when_all_are_set_aside_all_count(self):
        made = row('gannet', [10, 30])
        for one in made.samples:
            one.mark = 'by rule'
        self.assertEqual(made.median(), 20)

    def test_neither_subject_always_goes_first(self):
        entries = [sampling.Entry(row(name, []), sample) for name in 'ab']
        self.assertEqual([entry.row.subject for entry in sampling.in_turn(entries, 3)], list('abbaab'))


class Tables(unittest.TestCase):
    def test_a_ratio_above_one_is_better_whatever_the_unit(self):
        self.assertEqual(records.ratio(row('gannet', [200]), row('nginx', [100])), 2)
        self.assertEqual(records.ratio(row('gannet', [200], is_less_better=True), row('nginx', [100])), 0.5)

    def test_the_readme_shows_losses(self):
        rows = [row('gannet', [50], is_headline=True), row('redis', [100])]
        self.assertIn('| redis 100/s | 0.50 |', readme(rows))

    def test_the_readme_shows_the_strongest_of_the_others(self):
        rows = [row('gannet', [50], is_headline=True), row('nginx', [10]), row('h2o', [20]), row('varnish', [5])]
        self.assertIn('| h2o 20/s | 2.50 |', readme(rows))
        for one in rows:
            one.is_less_better = True
        self.assertIn('| varnish 5/s | 0.10 |', readme(rows))

    def test_our_further_variants_are_not_peers_of_ourselves(self):
        rows = [row('gannet', [50], is_headline=True), row('gannet, busy', [60], is_headline=True),
                row('h2o', [5])]
        self.assertEqual([[other.subject for other in others] for _, others in table.comparisons(rows)],
                         [['h2o'], ['h2o']])

    def test_a_row_that_was_not_measured_says_why(self):
        text = table.full_row(row('gannet', [], note='failed: no link'))
        self.assertIn('not measured', text)
        self.assertIn('failed: no link', text)
        self.assertEqual(text.count(' | ') + 1, len(table.COLUMNS))

    def test_results_survive_the_file(self):
        rows = [row('gannet', [1, 2]), row('nginx', [])]
        self.assertEqual(records.from_json(json.loads(json.dumps(records.to_json(rows)))), rows)

    def test_only_what_is_between_the_markers_is_replaced(self):
        text = f'before\n{publish.BEGIN}\nold\n{publish.END}\nafter\n'
        self.assertEqual(publish.replace_between(text, 'new\n'),
                         f'before\n{publish.BEGIN}\nnew\n{publish.END}\nafter\n')

    def test_a_readme_without_markers_is_refused(self):
        with self.assertRaises(SystemExit):
            publish.replace_between('no markers', 'new')


def readme(rows, reasons=None):
    return table.readme_table(merge.Results(rows, [{'date': 'd'}]), 'results/x', reasons or {})


def results(date, *rows):
    for one in rows:
        one.date = date
    return merge.Results(list(rows), [{'date': date, 'commit': f'of {date}', 'kernel': '6'}])


def of_part(part, value, **more):
    return row('gannet', [value], part=part, **more)


class Bars(unittest.TestCase):
    def hits(self, value, p99_us=10.0, ideal_us=10.0, ceiling=6e6):
        ours, theirs = row('gannet', [value], is_headline=True), row('stateless responder', [ceiling])
        ours.samples[0].extra = {'p99_us': p99_us, 'ideal_us': ideal_us}
        return [ours, theirs]

    def words(self, rows):
        return {verdict.key: verdict.word() for verdict in bars.verdicts(rows)}

    def test_a_figure_misses_meets_or_exceeds(self):
        for value, word in ((2.4e6, 'not met'), (2.5e6, 'met'), (4.7e6, 'met'), (4.8e6, 'goal met')):
            self.assertEqual(self.words(self.hits(value))['hit/memif/64'], word, f'case {value}')

    def test_less_may_be_better(self):
        for p99_us, word in ((16, 'not met'), (15, 'met'), (12, 'goal met')):
            self.assertEqual(self.words(self.hits(1, p99_us))['p99/memif/64'], word, f'case {p99_us}')

    def test_a_bar_may_follow_from_the_strongest_of_the_others(self):
        def put(name, value):
            return records.Row('durable-put', 'PUT', name, '/s', {}, samples=[sample(value)])
        self.assertEqual(self.words([put('gannet', 200), put('redis a', 100), put('redis b', 130)]),
                         {'put': 'met'})
        self.assertEqual(self.words([put('gannet', 200), put('redis a', 100), put('redis b', 140)]),
                         {'put': 'not met'})
        self.assertEqual(self.words([put('gannet', 200)]), {})  # nobody beside it: no bar

    def test_what_was_not_measured_has_no_verdict(self):
        self.assertEqual(bars.verdicts([row('gannet', [])]), [])

    def test_a_missed_bar_says_what_limits_it_or_that_nobody_knows(self):
        rows = self.hits(2e6, p99_us=100)
        text = '\n'.join(table.bar_table(rows, {'hit/memif/64': 'the moon', 'p99/vhost-user': 'no'}))
        self.assertIn('0 of 2 first bars are met', text)
        self.assertIn('| **not met** | the moon | hit/memif/64 |', text)
        self.assertIn('| **not met** | not explained | p99/memif/64 |', text)
        self.assertIn('**not met** (1)<br>p99 <= 15 us: **not met, not explained**',
                      readme(rows, {'hit': 'the moon'}))
        self.assertIn('\n1. the moon\n', readme(rows, {'hit': 'the moon'}))

    def test_a_missed_latency_says_what_it_was_where_no_core_was_away(self):
        rows = self.hits(2.6e6, p99_us=100)
        rows[0].samples[0].extra |= {'calm_p99_us': 12.0, 'client_stalled_share': 0.01,
                                     'server_silent_share': 0.02}
        expected = ('12 us for requests that no gap of 25 us touched; client away 1 %, server silent 2 % '
                    'of the time')
        self.assertIn(f'gaps. {expected}', '\n'.join(table.bar_table(rows, {'p99': 'gaps'})))
        self.assertIn(f'**not met** (1); {expected}', readme(rows, {'p99': 'gaps'}))
        self.assertNotIn(expected, readme(self.hits(2.6e6, p99_us=10), {'p99': 'gaps'}))

    def test_one_reason_for_many_is_printed_once(self):
        text = readme(self.hits(2e6) + self.hits(1e6), {'hit': 'the moon'})
        self.assertEqual((text.count('(1)'), text.count('the moon')), (2, 1))

    def test_the_longest_key_wins_and_whole_parts_count(self):
        reasons = {'p99': 'a', 'p99/memif': 'b', 'p9': 'c'}
        cases = [('p99/memif/64', 'b'), ('p99/vhost/64', 'a'), ('p99x', bars.UNEXPLAINED)]
        for key, text in cases:
            self.assertEqual(bars.reason_for(key, reasons), text, f'case {key}')

    def test_a_reason_that_is_not_needed_is_named(self):
        found = bars.verdicts(self.hits(3e6, p99_us=100))
        self.assertEqual(bars.not_needed(found, {'hit': 'x', 'p99/memif': 'y', 'zipf': 'z'}), ['hit', 'zipf'])

    def test_reasons_are_read_without_comments_and_blanks(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / bars.REASONS
            self.assertEqual(bars.read_reasons(path), {})
            path.write_text('# hit: no\n\nhit/memif/64: 1: the disk\nput:\n')
            self.assertEqual(bars.read_reasons(path), {'hit/memif/64': '1: the disk'})


class Merging(unittest.TestCase):
    def test_a_later_run_replaces_by_experiment(self):
        old = results('1', of_part('memif', 1), of_part('vhost', 2), of_part('put', 3))
        new = results('2', of_part('vhost', 20))
        both = merge.merged([old, new], ['memif', 'put', 'vhost'])
        self.assertEqual([one.median() for one in both.rows], [1, 3, 20])
        self.assertEqual([one.date for one in both.rows], ['1', '1', '2'])

    def test_a_run_that_nothing_is_left_of_is_not_named(self):
        both = merge.merged([results('1', of_part('put', 1)), results('2', of_part('put', 2))])
        self.assertEqual((both.dates(), both.rows[0].median()), (['2'], 2))

    def test_the_tables_say_which_is_of_when(self):
        both = merge.merged([results('2026-11-21', of_part('put', 1)), results('2026-11-22', of_part('memif', 2))])
        text = table.full_table(both, [], {})
        self.assertIn('- commit: of 2026-11-21 (put)\n- commit: of 2026-11-22 (memif)\n', text)
        self.assertIn('- kernel: 6\n', text)
        self.assertIn('2026-11-21: put; 2026-11-22: memif', table.readme_table(both, 'x', {}))

    def test_a_merged_result_can_be_merged_again(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            merge.write(merge.merged([results('1', of_part('put', 1)), results('2', of_part('memif', 2))]), folder)
            again = merge.merged([merge.read(folder), results('3', of_part('memif', 30))])
        self.assertEqual({one.part: (one.median(), one.date) for one in again.rows},
                         {'put': (1, '1'), 'memif': (30, '3')})

    def test_a_folder_without_results_is_refused(self):
        with tempfile.TemporaryDirectory() as name, self.assertRaisesRegex(Failed, 'no results'):
            merge.read(Path(name))

    def test_results_of_before_there_were_parts_are_read(self):
        with tempfile.TemporaryDirectory() as name:
            old = records.to_json([row('gannet', [1])])
            for record in old:
                del record['part'], record['date']
            (Path(name) / merge.RESULTS).write_text(json.dumps({'machine': {'date': 'd'}, 'rows': old}))
            found = merge.read(Path(name))
        self.assertEqual((found.rows[0].date, merge.origin(found.rows[0])), ('d', 'get-hit'))

    def test_publishing_writes_tables_and_says_what_is_not_explained(self):
        with tempfile.TemporaryDirectory() as name:
            top, run = Path(name), Path(name) / 'run'
            run.mkdir()
            (top / 'README.md').write_text(f'a\n{publish.BEGIN}\n{publish.END}\nb\n')
            ours = row('gannet', [1], is_headline=True)
            merge.write(results('2026-11-22', ours), run)
            target, open_ends = publish.publish([run], 'x', top, [])
            self.assertIn('not explained', (target / 'table.md').read_text())
            self.assertIn('| GET hit | 1/s |', (top / 'README.md').read_text())
            self.assertEqual(len(open_ends), 1)
            (target / bars.REASONS).write_text('hit: the moon\n')
            _, open_ends = publish.publish([run], 'x', top, [])
            self.assertIn('the moon', (target / 'table.md').read_text())
            self.assertEqual(open_ends, [])


class Charts(unittest.TestCase):
    def test_it_is_well_formed_and_holds_every_series_with_whiskers(self):
        series = [chart.Series('a <b>', [chart.Point(64, 1e6, 0.9e6, 1.1e6), chart.Point(1024, 2e6, 1e6, 3e6)]),
                  chart.Series('c', [chart.Point(64, 5e6, 5e6, 5e6)])]
        text = chart.draw('t & u', chart.Axis('x', is_logarithmic=True), chart.Axis('y'), series)
        root = xml.etree.ElementTree.fromstring(text)
        classes = [element.get('class', '') for element in root.iter()]
        self.assertEqual(sum('whisker' in name for name in classes), 3)
        self.assertIn('a <b>', [element.text for element in root.iter()])
        self.assertIn('prefers-color-scheme:dark', text)

    def test_scales_keep_order_and_stay_inside(self):
        for is_logarithmic in (False, True):
            scale = chart.Scale([1, 10, 1e6], is_logarithmic, 0, 100)
            places = [scale.place(value) for value in (1, 10, 1000, 1e6)]
            self.assertEqual(places, sorted(places))
            self.assertTrue(0 <= places[0] and places[-1] <= 100)
            self.assertGreaterEqual(len(scale.ticks()), 2)

    def test_zero_and_equal_values_are_drawn(self):
        for is_logarithmic in (False, True):
            axis = chart.Axis('v', is_logarithmic)
            xml.etree.ElementTree.fromstring(chart.draw('t', axis, axis, [chart.Series('s', [
                chart.Point(0, 0, 0, 0), chart.Point(5, 5, 5, 5)])]))

    def test_an_experiment_becomes_one_series_per_subject_and_figure(self):
        ours = row('gannet', [1])
        ours.samples[0].extra = {'p99_us': 7.0, 'ideal_us': 5.0}
        plot = next(plot for plot in plots.PLOTS if plot.name == 'get-hit-p99')
        self.assertEqual([one.name for one in plots.series_of(plot, [ours])],
                         ['gannet: p99', 'gannet: connections/throughput'])


class CommandLines(unittest.TestCase):
    def value(self, option, **load):
        words = client.words(Path('b'), client.memif(Path('s')), client.Load(64, 1.0, **load), 0)
        return words[words.index(option) + 1] if option in words else None

    def test_each_kind_of_load_has_its_option_and_no_other(self):
        cases = [({'depth': 16}, ('16', None, None)), ({'active': 5}, (None, '5', None)),
                 ({'rate': 100}, (None, None, '100')), ({}, ('1', None, None))]
        for load, expected in cases:
            found = tuple(self.value(option, **load) for option in ('--depth', '--active', '--rate'))
            self.assertEqual(found, tuple(int(one) if one else None for one in expected), f'case {load}')

    def test_times_are_in_milliseconds(self):
        self.assertEqual((self.value('--warmup', warmup_s=0.3), self.value('--duration')), ('300ms', '1000ms'))


class Parsers(unittest.TestCase):
    def test_wrk(self):
        rate, latencies, size = other_clients.parse_wrk(WRK)
        self.assertEqual((rate, latencies['p50_us'], latencies['p99_us'], round(size)),
                         (107998.21, 284, 1160, 385))

    def test_wrk_with_errors_is_no_result(self):
        with self.assertRaises(Failed):
            other_clients.parse_wrk(WRK + '  Non-2xx or 3xx responses: 5\n')

    def test_fio(self):
        text = 'note\n' + json.dumps({'jobs': [{'read': {'iops': 80000.0, 'clat_ns': {
            'percentile': {'50.000000': 700000, '99.000000': 2000000}}}}]})
        self.assertEqual(other_clients.parse_fio(text), (80000.0, {'p50_us': 700.0, 'p99_us': 2000.0}))

    def test_wrong_answers_are_a_failure(self):
        run = {'responses_per_s': 5.0, 'responses': 5, 'bytes_per_response': 385.0, 'busy_share': 0.5,
               'cpu_share': 1.0, 'elapsed_ns': 100000, 'errors': {'bad_status': 0}, 'flood_sent': 30,
               'flood_missed': 10, 'newcomers': 4, 'newcomers_served': 3, 'newcomers_max_ns': 2000}
        run |= {f'{name}_ns': 1000 for name in client.QUANTILES + client.GAPS}
        result = {'steps': [{'runs': [run]}], 'verified': {'status': True, 'length': True, 'body': False}}
        good = client.answer(0, json.dumps(result), '')
        self.assertEqual((good.responses_per_s, good.latency_us['p99_us'], good.verified),
                         (5.0, 1.0, 'status, length'))
        self.assertEqual(good.gap_shares, {'client_stalled_share': 0.01, 'server_silent_share': 0.01})
        self.assertEqual(good.storm, {'syn_per_s': 300000, 'syn_missed_share': 0.25,
                                      'newcomers_served_share': 0.75, 'newcomers_max_us': 2})
        run['errors']['bad_status'] = 1
        with self.assertRaises(Failed):
            client.answer(1, json.dumps(result), '')

    def test_no_result_says_what_the_program_said(self):
        with self.assertRaisesRegex(Failed, 'no link'):
            client.answer(2, '', 'no link')


if __name__ == '__main__':
    unittest.main()
