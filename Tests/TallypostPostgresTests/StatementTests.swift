import PostgresFixture
import StoreContract
import TallypostCore
import Testing

@testable import TallypostPostgres

@Suite struct StatementTests {
    @Test func `a fixture is a database of its own`() throws {
        let database = try PostgresFixture()
        #expect(try database.query("SELECT count(*) FROM pending_tasks") == [["0"]])
    }
}
