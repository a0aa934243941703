SELECT 'a
--=--
SELECT '
--=--
SELECT 'a''
--=--
SELECT E'a\'
--=--
SELECT E'a\
--=--
SELECT "a
--=--
SELECT "a""
--=--
SELECT $$a
--=--
SELECT $$
--=--
SELECT $a$ $$ $b$
--=--
SELECT $a$ $A$
--=--
SELECT /* a
--=--
SELECT /* /* a */
--=--
SELECT /*/
--=--
SELECT B'01
--=--
SELECT X'01
--=--
SELECT N'a
--=--
SELECT U&'a
--=--
SELECT U&"a
--=--
SELECT U&""
--=--
SELECT 1a
--=--
SELECT 1_
--=--
SELECT 1__0
--=--
SELECT 1.5a
--=--
SELECT 1e5a
--=--
SELECT 1e
--=--
SELECT 1e+
--=--
SELECT 1e_5
--=--
SELECT 0x
--=--
SELECT 0x_
--=--
SELECT 0xg
--=--
SELECT 0x1g
--=--
SELECT 0b12
--=--
SELECT 0o8
--=--
SELECT 0x1$1
--=--
SELECT 1e5$1
--=--
SELECT 1_0$1
--=--
SELECT 1._5
--=--
SELECT 1é
--=--
SELECT 1e'x'
--=--
SELECT $2147483648
--=--
SELECT $99999999999999999999
--=--
SELECT E'\u12'
--=--
SELECT E'\U0001F60'
--=--
SELECT E'\uD83D'
--=--
SELECT E'\uD83D\u0041'
--=--
SELECT E'\uD83Dx\uDE00'
--=--
SELECT E'\uDE00'
--=--
SELECT E'\uD83D'
'\uDE00'
--=--
SELECT E'\U00110000'
--=--
SELECT E'\u0000'
--=--
SELECT E'\xff'
--=--
SELECT E'\0'
--=--
SELECT E'\x00'
--=--
SELECT E'\400'
--=--
SELECT E'\xc3'
--=--
SELECT a @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@ b
--=--
SELECT $
--=--
SELECT $a
--=--
SELECT \x
--=--
SELECT {a}
