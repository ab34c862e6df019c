import TallypostDelivery
import Testing

@testable import tallypost

@Suite struct SecretTests {
    private static func read(_ text: String, environment: [String: String] = [:]) throws -> String {
        try SecretSource(parsing: text).resolve(environment: environment)
    }

    @Test func `a secret is read from systemd's credentials, a file or the environment`() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("from file\n", to: "mail")
        #expect(try Self.read("file:\(file)") == "from file")
        #expect(try Self.read("credential:mail", environment: ["CREDENTIALS_DIRECTORY": directory.path]) == "from file")
        #expect(try Self.read("env:MAIL", environment: ["MAIL": "from environment"]) == "from environment")
    }

    @Test func `only the end of the line is taken off a file`() throws {
        let directory = try TemporaryDirectory()
        #expect(try Self.read("file:\(try directory.write(" a b \r\n\n", to: "s"))") == " a b ")
    }

    @Test func `an empty or huge file is no secret`() throws {
        let directory = try TemporaryDirectory()
        for text in ["", "\n", String(repeating: "x", count: SecretSource.longest + 1)] {
            let file = try directory.write(text, to: "s")
            #expect(throws: SecretSource.Failure.self) { try Self.read("file:\(file)") }
        }
    }

    @Test(arguments: ["", "hunter2", "whsec_abc", "file:", "env:", "credential:", "vault:x", "credential:..", "credential:../x"])
    func `what names no secret is refused without being repeated`(text: String) {
        #expect {
            try Self.read(text, environment: ["CREDENTIALS_DIRECTORY": "/"])
        } throws: { error in
            !"\(error)".contains("hunter2") && !"\(error)".contains("whsec_abc")
        }
    }

    @Test func `commands for people do without the secrets, but not without their names`() throws {
        let directory = try TemporaryDirectory()
        let route =
            "{ routes: { a: { url: 'http://h/', secrets: ['credential:mail'], tls: { ca: '/no/such.pem' } } }, adminToken: 'env:T' }"
        let configuration = try directory.load(route, readsSecrets: false)
        #expect(configuration.routes["a"]?.isSigned == true)
        #expect(configuration.routes["a"]?.wire.secrets.isEmpty == true)
        #expect(try Set(directory.problems(route).map(\.path)) == ["routes.a.secrets[0]", "routes.a.tls.ca", "adminToken"])
        let literal = "{ routes: { a: { url: 'http://h/', secrets: ['hunter2'] } } }"
        #expect(try directory.problems(literal, readsSecrets: false).map(\.path) == ["routes.a.secrets[0]"])
    }
}
