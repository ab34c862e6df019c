import CCurl
import Glibc

/// libcurl as a whole, made ready once for the process.
enum CurlLibrary {
    /// Touching it is enough; Swift's once keeps two threads apart.
    ///
    /// SIGPIPE is ignored from then on: libcurl, told to leave signals alone, does not shield OpenSSL's writes from it, and
    /// a receiver that closes its end would end the process.
    static let isReady: Bool = {
        signal(SIGPIPE, SIG_IGN)
        return curl_global_init(Int(CURL_GLOBAL_ALL)) == CURLE_OK
    }()
}
