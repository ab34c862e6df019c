import TallypostCore
import Testing

@Suite struct StatementFileTests {
    private let file = StatementFile(
        Array(
            """
            -- A heading, which belongs to nothing.
            SELECT 0;

            -- name: first
            -- why it is so
            SELECT 1
            FROM t;
            -- name: second
            SELECT 2;
            """.utf8))

    @Test func `each statement stands under its name, comments included`() {
        #expect(file.statements.keys.sorted() == ["first", "second"])
        #expect(file["first"] == "-- why it is so\nSELECT 1\nFROM t;")
        #expect(file["second"] == "SELECT 2;")
    }

    @Test func `a file without names holds nothing`() {
        #expect(StatementFile(Array("SELECT 1;".utf8)).statements.isEmpty)
        #expect(StatementFile([]).statements.isEmpty)
    }

    @Test func `an indented or different comment is no name`() {
        let found = StatementFile(Array("-- name: a\nSELECT 1;\n  -- name: b\n--name: c".utf8))
        #expect(found.statements.keys.sorted() == ["a"])
    }

    @Test func `two statements of one name are a defect`() async {
        await #expect(processExitsWith: .failure) { _ = StatementFile(Array("-- name: a\n-- name: a\n".utf8)) }
    }

    @Test func `a name that is not there is a defect`() async {
        await #expect(processExitsWith: .failure) { _ = StatementFile([])["a"] }
    }
}
