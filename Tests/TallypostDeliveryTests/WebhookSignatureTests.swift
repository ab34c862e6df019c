import Testing

@testable import TallypostDelivery

@Suite struct WebhookSignatureTests {
    private func signature(_ secrets: [String], _ prefix: String, _ body: String) throws -> String {
        let signer = WebhookSigner(secrets: try secrets.map { try WebhookSecret(parsing: $0) })
        var head: [UInt8] = []
        signer.appendSignatures(prefix: Array(prefix.utf8), body: Array(body.utf8), to: &head)
        return String(decoding: head, as: UTF8.self)
    }

    @Test func `the published example of Standard Webhooks comes out`() throws {
        #expect(
            try signature(
                ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.", #"{"test": 2432232314}"#)
                == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    }

    @Test func `every secret signs, newest first`() throws {
        // Computed with Python's hmac.
        #expect(
            try signature(
                ["MfKQ9r8GKYqTwUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"], "task_42.1767323045.",
                #"{"order":"o_1"}"#)
                == "v1,SNl42hArEJhvLa3ieCoZhCTw3CYQ5109AIIQq2bkoVM= v1,DcQHVOXx1lGoPwkHVHWB8DrgJzXEqjt4uEbpn3fi8DM=")
    }

    @Test func `a signer signs the same twice, and another text otherwise`() throws {
        let signer = WebhookSigner(secrets: [try WebhookSecret(parsing: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")])
        var heads: [[UInt8]] = [[], [], []]
        signer.appendSignatures(prefix: [1], body: [2], to: &heads[0])
        signer.appendSignatures(prefix: [1], body: [3], to: &heads[1])
        signer.appendSignatures(prefix: [1], body: [2], to: &heads[2])
        #expect(heads[0] == heads[2])
        #expect(heads[0] != heads[1])
    }

    @Test func `a secret is read with and without its prefix, its padding and a line's end`() throws {
        let key = try WebhookSecret(parsing: "whsec_AAECAwQFBgcICQoLDA0ODw==").key
        #expect(key == Array(0...15))
        for text in ["AAECAwQFBgcICQoLDA0ODw==", "whsec_AAECAwQFBgcICQoLDA0ODw", "  whsec_AAECAwQFBgcICQoLDA0ODw==\r\n"] {
            #expect(try WebhookSecret(parsing: text).key == key)
        }
    }

    @Test(arguments: [
        ("", "empty"), (" \n", "empty"), ("whsec_", "bytes long"), ("whsec_AAEC", "3 bytes long"),
        ("whsk_AAECAwQFBgcICQoLDA0ODw==", "Ed25519"),
        ("whpk_AAECAwQFBgcICQoLDA0ODw==", "Ed25519"), ("correct horse battery staple", "not base64"),
        ("whsec_AAECAwQFBgcICQoLDA0OD", "not base64"),
        ("AAECAwQFBgcICQoLDA0ODw===", "not base64"), ("AAECAwQF=gcICQoLDA0ODw==", "not base64"),
        ("AAECAwQFBgcICQoLDA0O_-8", "not base64"),
    ])
    func `what is no secret is refused with the reason, which does not repeat it`(text: String, reason: String) {
        let error = #expect(throws: WebhookSecretError.self) { try WebhookSecret(parsing: text) }
        #expect(error?.reason.contains(reason) == true, "\(String(describing: error))")
        if text.utf8.count > 8 { #expect(error?.reason.contains(text) == false) }
    }

    @Test func `a secret does not print itself`() throws {
        let secret = try WebhookSecret(parsing: "whsec_AAECAwQFBgcICQoLDA0ODw==")
        var dumped = ""
        dump(secret, to: &dumped)
        let route = WireRoute(url: "http://a.example/", secrets: [secret])
        for text in ["\(secret)", secret.debugDescription, dumped, "\(route)", String(reflecting: [secret])] {
            #expect(!text.contains("AAEC") && !text.contains("1, 2, 3"), "\(text)")
        }
    }
}
