import TallypostCore
import Testing

@testable import TallypostSQLite

/// What the relay leaves of the write lock to others, by a clock that the test moves.
@Suite struct LockShareTests {
    private func at(_ microseconds: Int64) -> Instant { Instant(nanoseconds: 1_000_000_000 + microseconds * 1_000) }

    @Test func `the first transaction waits for nothing`() {
        #expect(LockShare().wait(at: at(0)) == .zero)
    }

    @Test func `alone, a third of what the lock was held is rested`() {
        var share = LockShare()
        share.held(since: at(0), until: at(6_400), rows: 100)
        #expect(share.wait(at: at(6_400)) == .microseconds(2_100))
        #expect(share.wait(at: at(7_400)) == .microseconds(1_100), "time that passes is rest")
        #expect(share.wait(at: at(9_000)) == .zero)
    }

    @Test func `among others, four times of what the lock was held`() {
        var share = LockShare()
        var now: Int64 = 0
        for _ in 0..<100 {
            now += share.wait(at: at(now)).nanoseconds / 1_000
            share.sawOthers(at: at(now))
            share.held(since: at(now), until: at(now + 1_000), rows: 100)
            now += 1_000
        }
        #expect((490_000...500_000).contains(now), "a hundred milliseconds of the lock in half a second: \(now)")
    }

    @Test func `a small transaction among others is not put off`() {
        var share = LockShare()
        for moment in stride(from: Int64(0), to: 1_000_000, by: 5_000) {
            share.sawOthers(at: at(moment))
            #expect(share.wait(at: at(moment)) == .zero)
            share.held(since: at(moment), until: at(moment + 1_500), rows: 1)
            #expect(share.wait(at: at(moment + 1_800)) == .zero)
            share.held(since: at(moment + 1_800), until: at(moment + 3_300), rows: 1)
        }
    }

    @Test func `others who have written nothing for a while are gone`() {
        var share = LockShare()
        share.sawOthers(at: at(0))
        share.held(since: at(200_000), until: at(206_400), rows: 100)
        #expect(share.wait(at: at(206_400)) == .microseconds(2_100))
    }

    @Test func `a disk that hung once does not make the relay stand still`() {
        var share = LockShare()
        share.sawOthers(at: at(0))
        share.held(since: at(0), until: at(150_000), rows: 100)
        #expect(share.wait(at: at(150_000)) <= .milliseconds(20))
    }
}
