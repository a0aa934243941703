SELECT ''
--=--
SELECT ''''
--=--
SELECT '''', '''a', 'a''', 'a''b', '''''', 'a''''b'
--=--
SELECT 'a\b', 'a\', 'b'
--=--
SELECT 'line one
line two'
--=--
SELECT 'a' 'b'
--=--
SELECT 'a'
'b'
--=--
SELECT 'a'   

	  'b'
   'c', 'd'
--=--
SELECT 'a''
'b'
--=--
SELECT 'it''s'
'it''s'
--=--
SELECT 'a'
E'b\n'
--=--
SELECT E'a\n'
'b\n'
--=--
SELECT E'\b\f\n\r\t\v\\\'\"', e'\a\8\9'
--=--
SELECT E'a''b', E'a\'b', E'\\', E'\\\\', E'\''''
--=--
SELECT E'\1\12\123\1234\0071', E'\101\102'
--=--
SELECT E'\x41\x4a\x4G\x4\xg\x'
--=--
SELECT E'\u0041\u00e9\U0001F600', E'\uD83D\uDE00', E'\U0000D83D\U0000DE00'
--=--
SELECT E'\u20ac\xc3\xa9'
--=--
SELECT E'\
x'
--=--
SELECT E'comment -- no', E'/* no */', E'"no"', E'$$no$$'
--=--
SELECT U&'d\0061t\+000061', u&'\\', U&'a''b'
--=--
SELECT U&'d!0061t!+000061' UESCAPE '!'
--=--
SELECT U&'\D83D\DE00', U&'\+00D83D\DE00'
--=--
SELECT U&'a'
'\0062'
--=--
SELECT U&'x' AS uescape_, U&'!!' uescape '!' , 1
--=--
SELECT U&'d@0061' UESCAPE'@'
--=--
SELECT U & 'x', u&b, u &'x'
--=--
SELECT U&'x'UESCAPE E'!'
--=--
SELECT U&'a!0062'
UESCAPE
'!'
--=--
SELECT $$$$, $$a$$, $a$b$a$, $a$ $$ $b$ $a$, $_1$x$_1$
--=--
SELECT $a$ $a $a$, $a$$a$, $a$a$a$, $b$$a$$b$
--=--
SELECT $tag$'it''s' "x" -- no /* no $tag$
--=--
SELECT $é$x$é$, $A$ $a$ $A$
--=--
SELECT $1$$x$$, $1 $$x$$
--=--
SELECT a$$b, a$1, a$b$c, $$x$$a
--=--
SELECT $$a
b$$
--=--
SELECT B'0101', b'', X'1f', x'AbC', B'01'
'10', X'a'
'b'
--=--
SELECT B'1''0', B'abc', X'xyz'
--=--
SELECT N'abc', n'x''y', N'a'
'b'
--=--
SELECT nn'a', be'a', _e'a', xb'1', ex'\n'
--=--
SELECT E 'a', N 'a', B '1', X '1'
--=--
SELECT 'Zürich', 'naïve', '日本語', '😀', E'日\u672c語'
--=--
SELECT 'a';'b'
--=--
SELECT 'a'"b"'c'
--=--
SELECT 'a'1, 1'a', 'a'b, ('a')
--=--
SELECT 'a' - 'b', 'a'-1, 'a'
- 'b'
--=--
SELECT 'tab	in', 'cr
in'
--=--
SELECT interval'1 day', date'2020-01-01'
--=--
SELECT ' ', '  ', '
'
--=--
SELECT '/*', '*/', '--', '$$', '"', ';'
--=--
SELECT 'a'
FROM t
--=--
SELECT 'a'

, 'b'

--=--
SELECT 'a''b''' , ''''
;
--=--
SELECT a AS "A B", 'x' "y", 1'z'
--=--
UPDATE t SET a='x',b='y'
WHERE c='z'
--=--
SELECT f('a')'b'
--=--
SELECT $1'a', a$'b', a1'c'
