import Testing

@testable import TallypostCore

@Suite struct TokenBucketTests {
    static let start = Instant(nanoseconds: 1_000_000_000)

    @Test func `a burst, then the rate`() {
        var bucket = TokenBucket(RateLimit(count: 10, per: .seconds(1), burst: 3), among: 1, tokens: 3, at: Self.start)
        for _ in 0..<3 {
            #expect(bucket.ready <= Self.start)
            bucket.take(at: Self.start)
        }
        #expect(bucket.ready == Self.start + .milliseconds(100))
        bucket.take(at: Self.start + .milliseconds(100))
        #expect(bucket.ready == Self.start + .milliseconds(200))
        #expect(bucket.tokens(at: Self.start + .milliseconds(399)) == 2)
        #expect(bucket.tokens(at: Self.start + .hours(1)) == 3)
        #expect(bucket.isFull(at: Self.start + .milliseconds(400)) && !bucket.isFull(at: Self.start + .milliseconds(399)))
    }

    @Test func `the burst is a second's worth unless told otherwise, and at least one`() {
        #expect(RateLimit(count: 100, per: .seconds(1)).burst == 100)
        #expect(RateLimit(count: 600, per: .minutes(1)).burst == 10)
        #expect(RateLimit(count: 6, per: .hours(1)).burst == 1)
        #expect(RateLimit(count: 100, per: .seconds(1)).text == "100/s")
        #expect(RateLimit(count: 6, per: .minutes(1)).text == "6/m")
        #expect(RateLimit(count: 1, per: .hours(1)).text == "1/h")
    }

    @Test(arguments: [1, 2, 3, 7])
    func `all shares together are never more than the whole`(relays: Int) {
        let limit = RateLimit(count: 100, per: .seconds(1), burst: 20)
        var taken = 0
        for _ in 0..<relays {
            var bucket = TokenBucket(limit, among: relays, tokens: 20, at: Self.start)
            var now = Self.start
            while now < Self.start + .seconds(10) {
                now = max(now, bucket.ready)
                guard now < Self.start + .seconds(10) else { break }
                bucket.take(at: now)
                taken += 1
            }
        }
        // And not much less: nobody wins when the limit is not used.
        #expect(taken <= 1_000 + 20 && taken >= 1_000)
    }

    @Test func `relays that come take a part of what is there; relays that go leave it`() {
        var bucket = TokenBucket(RateLimit(count: 10, per: .seconds(1), burst: 10), among: 1, tokens: 10, at: Self.start)
        for _ in 0..<4 { bucket.take(at: Self.start) }
        bucket.share(among: 2, at: Self.start)
        #expect(bucket.tokens(at: Self.start) == 5 && bucket.interval == 200_000_000)
        bucket.share(among: 1, at: Self.start)
        #expect(bucket.tokens(at: Self.start) == 5 && bucket.tokens(at: Self.start + .milliseconds(500)) == 10)
        // Fewer tokens than relays: each can still send one.
        bucket.share(among: 40, at: Self.start)
        #expect(bucket.capacity == 1)
    }

    @Test func `the tokens of a span ahead are those that are there and those that come`() {
        var bucket = TokenBucket(RateLimit(count: 10, per: .seconds(1), burst: 2), among: 1, tokens: 2, at: Self.start)
        #expect(bucket.tokens(at: Self.start, and: .milliseconds(500)) == 7)
        bucket.take(at: Self.start)
        bucket.take(at: Self.start)
        #expect(bucket.tokens(at: Self.start, and: .milliseconds(500)) == 5)
        #expect(bucket.tokens(at: Self.start, and: .milliseconds(50)) == 0)
    }

    @Test func `the largest and the smallest rates overflow nothing`() {
        for limit in [
            RateLimit(count: 1, per: .hours(1), burst: RateLimit.most), RateLimit(count: RateLimit.most, per: .seconds(1)),
        ] {
            for relays in [1, 1_000, 1_000_000] {
                var bucket = TokenBucket(limit, among: relays, tokens: .max, at: Self.start)
                #expect(bucket.ready <= Self.start && bucket.tokens(at: Self.start) == bucket.capacity)
                bucket.take(at: Self.start)
                #expect(bucket.capacity == 1 || bucket.ready <= Self.start)
            }
        }
    }
}
