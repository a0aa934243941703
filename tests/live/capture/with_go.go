// Go: pgx and its pool, lib/pq through database/sql (Grafana), GORM with its migrator.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/lib/pq"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Order is a row of orders.
type Order struct {
	ID         int
	CustomerID *int
	Total      float64
	Status     string `gorm:"default:new"`
}

// Stock is a row of stock.
type Stock struct {
	Product  string `gorm:"primaryKey"`
	Quantity int
}

// TableName says that the table is not called stocks.
func (Stock) TableName() string { return "stock" }

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func place(name string) string {
	return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%s/corpus?sslmode=disable&application_name=%s",
		os.Getenv("PGUSER"), url.PathEscape(os.Getenv("PGPASSWORD")), os.Getenv("PGPORT"), url.PathEscape(name))
}

func withPgx() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, place("writer prod pgx: a pool, a batch, a copy"))
	must(err)
	defer pool.Close()
	var total float64
	must(pool.QueryRow(ctx, "SELECT total FROM orders WHERE id = $1", 3).Scan(&total))
	batch := &pgx.Batch{}
	batch.Queue("UPDATE orders SET status = $1 WHERE id = $2", "batch", 5)
	batch.Queue("SELECT count(*) FROM orders")
	must(pool.SendBatch(ctx, batch).Close())
	_, err = pool.CopyFrom(ctx, pgx.Identifier{"items"}, []string{"order_id", "product", "quantity"},
		pgx.CopyFromRows([][]any{{7, "copied", 1}}))
	must(err)
	must(pool.Ping(ctx))
	connection, err := pool.Acquire(ctx)
	must(err)
	defer connection.Release()
	_, err = connection.Conn().LoadType(ctx, "mood")
	must(err)
	_, err = connection.Conn().LoadType(ctx, "pair")
	must(err)
	transaction, err := connection.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.Serializable, AccessMode: pgx.ReadOnly})
	must(err)
	inner, err := transaction.Begin(ctx)
	must(err)
	must(inner.Rollback(ctx))
	must(transaction.Commit(ctx))
}

func withPq() {
	db, err := sql.Open("postgres", place("reader prod lib/pq: a panel of Grafana"))
	must(err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	must(db.Ping())
	for _, text := range []string{
		"SELECT floor(extract(epoch from placed_at)/3600)*3600 AS \"time\", sum(total) AS \"value\" FROM orders " +
			"WHERE placed_at BETWEEN '2026-01-01T00:00:00Z' AND '2026-01-02T00:00:00Z' GROUP BY 1 ORDER BY 1",
		"SELECT placed_at AS \"time\", status AS metric, total FROM orders ORDER BY 1",
	} {
		rows, err := db.Query(text)
		must(err)
		must(rows.Close())
	}
	rows, err := db.Query("SELECT id FROM orders WHERE total > $1 ORDER BY id", 40)
	must(err)
	must(rows.Close())
	transaction, err := db.BeginTx(context.Background(), &sql.TxOptions{ReadOnly: true})
	must(err)
	must(transaction.Rollback())
}

func withGorm() {
	db, err := gorm.Open(postgres.Open(place("reader prod GORM: the migrator looks")), &gorm.Config{})
	must(err)
	look := db.Migrator()
	look.HasTable("orders")
	look.HasColumn(&Order{}, "status")
	look.HasIndex(&Order{}, "orders_by_customer")
	_, err = look.GetTables()
	must(err)
	_, err = look.ColumnTypes(&Order{})
	must(err)
	_, err = look.GetIndexes(&Order{})
	must(err)
	_ = look.CurrentDatabase()
	db, err = gorm.Open(postgres.Open(place("writer prod GORM: the ORM")), &gorm.Config{})
	must(err)
	order := Order{Total: 3}
	must(db.Create(&order).Error)
	must(db.Model(&order).Update("status", "paid").Error)
	must(db.First(&Order{}, 3).Error)
	must(db.Where("total > ?", 50).Order("id").Limit(2).Find(&[]Order{}).Error)
	must(db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&Stock{"thing 1", 3}).Error)
	must(db.Delete(&order).Error)
	must(db.Transaction(func(work *gorm.DB) error {
		return work.Transaction(func(inner *gorm.DB) error { return inner.Save(&Stock{"thing 2", 4}).Error })
	}))
}

func main() {
	withPgx()
	withPq()
	withGorm()
}
