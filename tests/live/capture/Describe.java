import java.sql.*;
import java.util.Properties;

/** PostgreSQL's JDBC driver: what DatabaseMetaData asks (DBeaver, Metabase, DataGrip and others are built on it). */
public class Describe {
    static Connection connect(String name, String... more) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", System.getenv("PGPASSWORD"));
        properties.setProperty("ApplicationName", name.length() > 63 ? name.substring(0, 63) : name);
        for (int i = 0; i < more.length; i += 2) properties.setProperty(more[i], more[i + 1]);
        return DriverManager.getConnection("jdbc:postgresql://127.0.0.1:" + System.getenv("PGPORT") + "/corpus", properties);
    }

    static void drain(ResultSet rows) throws SQLException {
        while (rows.next()) for (int i = 1; i <= rows.getMetaData().getColumnCount(); i++) rows.getObject(i);
        rows.close();
    }

    public static void main(String[] arguments) throws Exception {
        try (Connection c = connect("reader prod JDBC: tables and columns")) {
            DatabaseMetaData m = c.getMetaData();
            drain(m.getCatalogs());
            drain(m.getSchemas());
            drain(m.getSchemas(null, "pub%"));
            drain(m.getTableTypes());
            drain(m.getTables(null, null, "%", null));
            drain(m.getTables(null, "public", "orders", new String[] {"TABLE", "VIEW"}));
            drain(m.getColumns(null, "public", "%", "%"));
            drain(m.getColumns(null, null, "orders", null));
        }
        try (Connection c = connect("reader prod JDBC: keys and indexes")) {
            DatabaseMetaData m = c.getMetaData();
            drain(m.getPrimaryKeys(null, "public", "orders"));
            drain(m.getImportedKeys(null, "public", "items"));
            drain(m.getExportedKeys(null, "public", "orders"));
            drain(m.getCrossReference(null, "public", "orders", null, "public", "items"));
            drain(m.getIndexInfo(null, "public", "orders", false, true));
            drain(m.getBestRowIdentifier(null, "public", "orders", DatabaseMetaData.bestRowSession, true));
            drain(m.getVersionColumns(null, "public", "orders"));
        }
        try (Connection c = connect("reader prod JDBC: routines, types, rights")) {
            DatabaseMetaData m = c.getMetaData();
            drain(m.getTypeInfo());
            drain(m.getUDTs(null, "public", "%", null));
            drain(m.getProcedures(null, "public", "%"));
            drain(m.getProcedureColumns(null, "public", "%", "%"));
            drain(m.getFunctions(null, "public", "%"));
            drain(m.getFunctionColumns(null, "public", "%", "%"));
            drain(m.getTablePrivileges(null, "public", "%"));
            drain(m.getColumnPrivileges(null, "public", "orders", "%"));
            drain(m.getClientInfoProperties());
            m.getSQLKeywords();
            m.getMaxColumnNameLength();
            m.getStringFunctions();
        }
        try (Connection c = connect("reader prod JDBC: a report")) {
            c.setReadOnly(true);
            c.setAutoCommit(false);
            c.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
            c.setSchema("public");
            try (PreparedStatement s = c.prepareStatement("SELECT id, total, status FROM orders WHERE total > ? ORDER BY id")) {
                s.setFetchSize(10);
                s.setBigDecimal(1, new java.math.BigDecimal("10"));
                ResultSet rows = s.executeQuery();
                ResultSetMetaData m = rows.getMetaData();
                for (int i = 1; i <= m.getColumnCount(); i++) { m.isAutoIncrement(i); m.isNullable(i); m.getTableName(i); }
                drain(rows);
            }
            c.commit();
            c.isValid(5);
        }
        try (Connection c = connect("writer prod JDBC: batches, generated keys", "reWriteBatchedInserts", "true")) {
            c.setAutoCommit(false);
            try (PreparedStatement s = c.prepareStatement("INSERT INTO items (order_id, product, quantity) VALUES (?, ?, ?)")) {
                for (int i = 1; i <= 3; i++) { s.setInt(1, i); s.setString(2, "batch"); s.setInt(3, i); s.addBatch(); }
                s.executeBatch();
            }
            String[] keys = {"id"};
            try (PreparedStatement s = c.prepareStatement("INSERT INTO orders (customer_id, total) VALUES (?, ?)", keys)) {
                s.setInt(1, 1);
                s.setDouble(2, 4.5);
                s.executeUpdate();
                drain(s.getGeneratedKeys());
            }
            Savepoint savepoint = c.setSavepoint("before");
            try (PreparedStatement s = c.prepareStatement("UPDATE stock SET quantity = ? WHERE product = ?")) {
                s.setInt(1, 5);
                s.setString(2, "thing 1");
                s.executeUpdate();
            }
            c.rollback(savepoint);
            c.commit();
        }
        try (Connection c = connect("reader prod JDBC: a cursor that can be updated")) {
            try (Statement s = c.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE)) {
                drain(s.executeQuery("SELECT * FROM stock"));
            }
            try (Statement s = c.createStatement()) {
                drain(s.executeQuery("SELECT {fn concat('a', 'b')}, {fn now()} IS NULL, {d '2026-01-01'}"));
            }
        }
    }
}
