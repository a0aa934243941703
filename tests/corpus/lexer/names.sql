SELECT a, A, aB_c, _a, _, a1, a$, a$1, éa, Éa, aÉ, naïve, 日本, 😀
--=--
SELECT "a", "A", "a b", "a""b", """", """a""", " ", "select", "1", "a.b", "é", "日本語"
--=--
SELECT "a"."b"."c", a."b".c, "a".b
--=--
SELECT "it's", "$$", "--", "/*", "a
b"
--=--
SELECT U&"d\0061t", U&"d!0061t" UESCAPE '!', u&"\\", U&"a""b", U&"\+01F600"
--=--
SELECT U&"x"uescape'!', U&"x" uescapee, U&"a" "b"
--=--
SELECT abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk
--=--
SELECT abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklm
--=--
SELECT "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMN"
--=--
SELECT abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijéx
--=--
SELECT "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghi日本"
--=--
SELECT ééééééééééééééééééééééééééééééééééééééééé
--=--
SELECT a"b"c, "a""b"c, a"b", "a"'b'
--=--
SELECT sElEcT, FROM, wHeRe, UESCAPE, uescape, NCHAR, u, U, e, E, b, B, x, X, n, N
--=--
SELECT tbl.Col, TBL.*, Tbl . col
--=--
SELECT "a" "b", "a"
"b"
--=--
SELECT İ, ß, K, ſ
--=--
SELECT e, b, x, n, u FROM e WHERE b=x AND n<u
--=--
SELECT a#b, a@b, a b
--=--
SELECT ""
