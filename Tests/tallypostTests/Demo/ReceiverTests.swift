import Testing

@testable import tallypost

struct ReceiverTests {
    @Test(arguments: [
        (#""receipt-o_1""#, "receipt-o_1"), (#""a\"b\\c""#, #"a"b\c"#), (#""""#, ""), ("receipt-o_1", nil), ("\"", nil),
        (#""a\""#, nil),
    ])
    func `an idempotency key is read as a structured-field string`(header: String, key: String?) {
        #expect(IdempotencyKeyHeader.key(header) == key)
    }

    @Test func `a flaky task is refused twice, then done once, and after that only repeated`() throws {
        let directory = try DemoDirectory()
        let ledger = try ReceiverLedger(path: directory.receiverDatabase)
        let answers = try (1...4).map { try ledger.record(key: "crm-o_1", task: .updateCRM, attempt: $0) }
        #expect(
            answers == [
                .init(status: 409, isRepeat: false), .init(status: 409, isRepeat: false), .init(status: 200, isRepeat: false),
                .init(status: 200, isRepeat: true),
            ])
    }

    @Test func `only the first booking takes its time: a repeat is answered at once`() {
        #expect(ReceiverAnswer(entry: .init(status: 200, isRepeat: false), task: .bookCourier).delayMicroseconds == 1_000_000)
        #expect(ReceiverAnswer(entry: .init(status: 200, isRepeat: true), task: .bookCourier).delayMicroseconds == 0)
    }

    @Test func `the ports are read from what the receiver wrote, and a line cut short counts for nothing`() {
        #expect(
            ReceiverCommand.ports(in: "send-receipt 4711\nupdate-crm 4712\nbook-cour") == [.sendReceipt: 4711, .updateCRM: 4712])
    }

    @Test func `a demo's directory goes with its contents, and one that is to be kept stays`() throws {
        var directory: DemoDirectory? = try DemoDirectory()
        let path = try #require(directory?.path)
        try DemoDirectory.write("x", to: "\(path)/kept")
        try #expect(DemoDirectory(keeping: "\(path)/inner").path == "\(path)/inner")
        #expect(DemoDirectory.read("\(path)/kept") == "x")
        directory = nil
        #expect(DemoDirectory.read("\(path)/kept") == nil)
    }

    @Test func `a directory that holds an earlier demo is refused`() throws {
        let directory = try DemoDirectory()
        try DemoDirectory.write("", to: directory.shopDatabase)
        #expect(throws: DemoError.self) { try DemoDirectory(keeping: directory.path) }
    }
}
