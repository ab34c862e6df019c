import Testing

@testable import TallypostCore

@Suite struct MetricsTextTests {
    private let families = [
        MetricFamily(
            "tallypost_attempts_total", .counter, "Attempts \"made\",\nby \\ type.",
            [.init(.count(3), labels: [("type", "a\"b\\c\nd"), ("outcome", "success")])]),
        MetricFamily("tallypost_held_bytes", .gauge, "Bytes.", 7),
        MetricFamily("tallypost_age_seconds", .gauge, "Age.", [.init(.number(0.25))]),
    ]

    @Test func `Prometheus' text format is written as its specification says`() {
        #expect(
            MetricsText.prometheus.render(families) == """
                # HELP tallypost_attempts_total Attempts "made",\\nby \\\\ type.
                # TYPE tallypost_attempts_total counter
                tallypost_attempts_total{type="a\\"b\\\\c\\nd",outcome="success"} 3
                # HELP tallypost_held_bytes Bytes.
                # TYPE tallypost_held_bytes gauge
                tallypost_held_bytes 7
                # HELP tallypost_age_seconds Age.
                # TYPE tallypost_age_seconds gauge
                tallypost_age_seconds 0.25

                """)
    }

    @Test func `OpenMetrics names a counter without its suffix, its unit, and the end`() {
        let text = MetricsText.openMetrics.render(families)
        #expect(text.contains("# TYPE tallypost_attempts counter\n"))
        #expect(text.contains("\ntallypost_attempts_total{type=\"a\\\"b\\\\c\\nd\",outcome=\"success\"} 3\n"))
        #expect(text.contains("# HELP tallypost_attempts Attempts \\\"made\\\",\\nby \\\\ type.\n"))
        #expect(text.contains("# UNIT tallypost_held_bytes bytes\n") && text.contains("# UNIT tallypost_age_seconds seconds\n"))
        #expect(text.hasSuffix("\n# EOF\n"))
    }

    @Test func `every time is counted in the step that its bound names, and in all that are longer`() {
        for (index, bound) in Histogram.bounds.enumerated() {
            var histogram = Histogram()
            histogram.add(TimeSpan(nanoseconds: bound.nanoseconds))
            histogram.add(TimeSpan(nanoseconds: bound.nanoseconds + 1))
            #expect(histogram.counts[index] == 1 && histogram.counts[index + 1] == 1, "\(bound.label)")
            #expect(Double(bound.label).map { Int64($0 * 1e9) } == bound.nanoseconds)
        }
        var histogram = Histogram()
        histogram.add(.seconds(-5))
        histogram.add(.milliseconds(3))
        histogram.add(.hours(5))
        let text = MetricsText.prometheus.render([
            MetricFamily("h_seconds", .histogram, "H.", [.init(.histogram(histogram), labels: [("type", "a")])])
        ])
        #expect(text.contains("h_seconds_bucket{type=\"a\",le=\"0.001\"} 1\n"))
        #expect(text.contains("h_seconds_bucket{type=\"a\",le=\"0.005\"} 2\n"))
        #expect(text.contains("h_seconds_bucket{type=\"a\",le=\"3600.0\"} 2\n"))
        #expect(text.contains("h_seconds_bucket{type=\"a\",le=\"+Inf\"} 3\n"))
        #expect(text.contains("h_seconds_sum{type=\"a\"} 18000.003\nh_seconds_count{type=\"a\"} 3\n"))
    }

    @Test(
        arguments: [
            (nil, false), ("text/plain", false), ("*/*", false), ("application/openmetrics-text", true),
            ("application/openmetrics-text; version=1.0.0; charset=utf-8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", true),
            ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain", true),
            ("application/openmetrics-text;version=0.0.1", false), ("application/openmetrics-text;q=0", false),
        ] as [(String?, Bool)])
    func `the format is what the scraper asks for`(accept: String?, isOpen: Bool) {
        #expect(MetricsText(accept: accept) == (isOpen ? .openMetrics : .prometheus))
    }
}
