import Glibc

/// Questions about files that need no opening.
enum FileCheck {
    /// Whether this process may read it.
    static func isReadable(_ path: String) -> Bool { unsafe access(path, R_OK) == 0 }

    /// Whether there is anything of that name.
    static func isThere(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }
}
