import TallypostCore
import Testing

@Suite struct RandomSourceTests {
    @Test func `the same seed gives the same numbers, and they are SplitMix64's`() {
        var random = RandomSource(seed: 1_234_567)
        // From the reference implementation, https://prng.di.unimi.it/splitmix64.c
        let expected: [UInt64] = [
            6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423, 4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ]
        #expect((0..<5).map { _ in random.next() } == expected)
    }

    @Test func `a bound is reached at both ends and never passed`() {
        var random = RandomSource(seed: 3)
        let drawn = Set((0..<500).map { _ in random.next(upTo: 5) })
        #expect(drawn == Set(0...5))
        #expect(random.next(upTo: 0) == 0)
        #expect(Set((0..<8).map { _ in random.next(upTo: .max) }).count == 8)
    }
}
