#include <sqlite3.h>

// Swift sees no variadic function and no macro with a cast.
static inline int tallypost_sqlite_configure(sqlite3 *db, int option, int value, int *now) {
    return sqlite3_db_config(db, option, value, now);
}
static inline int tallypost_sqlite_bind_text(sqlite3_stmt *statement, int index, const char *text, sqlite3_uint64 length) {
    return sqlite3_bind_text64(statement, index, text, length, SQLITE_TRANSIENT, SQLITE_UTF8);
}
static inline int tallypost_sqlite_bind_blob(sqlite3_stmt *statement, int index, const void *bytes, sqlite3_uint64 length) {
    return length ? sqlite3_bind_blob64(statement, index, bytes, length, SQLITE_TRANSIENT) : sqlite3_bind_zeroblob(statement, index, 0);
}
