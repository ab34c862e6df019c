// swift-tools-version: 6.2
import PackageDescription

// No package is named here, ever: the C libraries are the distribution's, found by pkg-config.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
    name: "tallypost",
    products: [.executable(name: "tallypost", targets: ["tallypost"])],
    targets: [
        // C libraries of the distribution: a module map and a shim.h each, nothing more.
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CMicrohttpd", pkgConfig: "libmicrohttpd", providers: [.apt(["libmicrohttpd-dev"])]),
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CXlsxWriter", pkgConfig: "xlsxwriter", providers: [.apt(["libxlsxwriter-dev"])]),
        .systemLibrary(name: "CLinux"),

        .target(name: "TallypostCore", swiftSettings: strict),
        .target(
            name: "TallypostSQLite", dependencies: ["TallypostCore", "CSQLite", "CLinux"],
            resources: [.embedInCode("SQL")], swiftSettings: strict),
        .target(
            name: "TallypostPostgres", dependencies: ["TallypostCore", "CPostgres", "CLinux"],
            resources: [.embedInCode("SQL")], swiftSettings: strict),
        .target(name: "TallypostDelivery", dependencies: ["TallypostCore", "CCurl", "CCrypto", "CLinux"], swiftSettings: strict),
        .target(name: "TallypostReconciliation", dependencies: ["TallypostCore", "CCrypto"], swiftSettings: strict),
        .target(
            name: "TallypostReports", dependencies: ["TallypostCore", "TallypostReconciliation", "CCrypto", "CXlsxWriter"],
            swiftSettings: strict),
        // The one place with pthreads and eventfds.
        .target(name: "TallypostThreads", dependencies: ["TallypostCore", "CLinux"], swiftSettings: strict),
        .target(name: "TallypostRelay", dependencies: ["TallypostCore", "TallypostThreads", "CLinux"], swiftSettings: strict),
        .target(
            name: "TallypostConsole",
            dependencies: [
                "TallypostCore", "TallypostReconciliation", "TallypostThreads", "CMicrohttpd", "CCrypto", "CLinux",
            ],
            resources: [.embedInCode("Admin/openapi.json"), .embedInCode("Dashboard")], swiftSettings: strict),
        .executableTarget(
            name: "tallypost",
            dependencies: [
                "TallypostCore", "TallypostSQLite", "TallypostPostgres", "TallypostDelivery", "TallypostRelay",
                "TallypostConsole", "TallypostThreads", "TallypostReconciliation", "TallypostReports", "CMicrohttpd", "CLinux",
            ],
            swiftSettings: strict),

        // The simulator's store and world: used by the tests and by the long campaign's program.
        .target(name: "Simulator", dependencies: ["TallypostCore"], path: "Tests/Simulator", swiftSettings: strict),
        .executableTarget(
            name: "tallypost-simulate", dependencies: ["TallypostCore", "Simulator"], path: "Tests/SimulatorCampaign",
            exclude: ["campaign"], swiftSettings: strict),

        // What every store must hold, and what an engine brings to be held to it.
        .target(name: "StoreContract", dependencies: ["TallypostCore"], path: "Tests/StoreContract", swiftSettings: strict),
        .target(
            name: "SQLiteFixture", dependencies: ["TallypostCore", "TallypostSQLite", "StoreContract", "CSQLite"],
            path: "Tests/SQLiteFixture", swiftSettings: strict),
        .target(
            name: "PostgresFixture", dependencies: ["TallypostCore", "TallypostPostgres", "StoreContract", "CPostgres"],
            path: "Tests/PostgresFixture", swiftSettings: strict),

        .testTarget(
            name: "StoreContractTests",
            dependencies: [
                "TallypostCore", "TallypostRelay", "TallypostReconciliation", "StoreContract", "SQLiteFixture", "PostgresFixture",
                "Simulator",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "TallypostSQLiteTests",
            dependencies: ["TallypostCore", "TallypostSQLite", "StoreContract", "SQLiteFixture", "CSQLite"],
            swiftSettings: strict),
        .testTarget(
            name: "TallypostPostgresTests",
            dependencies: ["TallypostCore", "TallypostPostgres", "StoreContract", "PostgresFixture"], swiftSettings: strict),
        .testTarget(name: "SimulationTests", dependencies: ["TallypostCore", "Simulator"], swiftSettings: strict),
        .testTarget(name: "TallypostCoreTests", dependencies: ["TallypostCore", "Simulator"], swiftSettings: strict),
        .testTarget(
            name: "TallypostRelayTests", dependencies: ["TallypostCore", "TallypostRelay", "TallypostThreads", "CLinux"],
            swiftSettings: strict),
        .testTarget(
            name: "TallypostReconciliationTests", dependencies: ["TallypostCore", "TallypostReconciliation"],
            swiftSettings: strict),
        .testTarget(
            name: "TallypostReportsTests",
            dependencies: ["TallypostCore", "TallypostReconciliation", "TallypostReports", "CCrypto"], swiftSettings: strict),
        .testTarget(
            name: "TallypostDeliveryTests", dependencies: ["TallypostCore", "TallypostDelivery", "CLinux"], swiftSettings: strict),
        .testTarget(
            name: "TallypostConsoleTests",
            dependencies: ["TallypostCore", "TallypostReconciliation", "TallypostConsole", "CLinux"],
            swiftSettings: strict),
        .testTarget(
            name: "tallypostTests",
            dependencies: [
                "tallypost", "TallypostCore", "TallypostDelivery", "TallypostRelay", "TallypostSQLite", "TallypostReconciliation",
            ],
            swiftSettings: strict),
    ]
)
