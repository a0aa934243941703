SELECT a+-b, a-+b, a*-b, a=-b, a<>-b, a<=-b, a=>-b
--=--
SELECT a@-b, a!-b, a~-b, a#-b, a&-b, a|-b, a`-b, a?-b, a%-b, a^-b
--=--
SELECT a@+-+b, a+-+b, a=+-+-b, a<+b
--=--
SELECT a<->b, a-><-b, a->>b, a#>>b, a||b, a|/b, a||/b, a!!b, @a, ~a, !!a
--=--
SELECT a+--c
b
--=--
SELECT a@--c
b
--=--
SELECT a+/*c*/b, a@/*c*/b, a*/*c*/b, a@-/*c*/b, a-/*c*/b
--=--
SELECT a-/b, a/-b, a*/b, a+*b, a*+b
--=--
SELECT a::b, a:::b, a::::b, a:=b, a::=b, a:b, a: :b, a : = b
--=--
SELECT a.b, a . b, a..b, a...b, .., ...
--=--
SELECT a=>b, a= >b, a>=b, a> =b, a==b, a=<b, a<==>b
--=--
SELECT OPERATOR(pg_catalog.+), a OPERATOR(x.@@) b
--=--
SELECT (*), count(*), t.*, a*b
--=--
SELECT a<@b, a@>b, a<<b, a>>b, a&<b, a&>b, a<<=b, a>>=b, a<<|b, a|>>b, a~=b
--=--
SELECT a!=b, a!==b, a=!b, a!=-b, a<>b, a<>=b
--=--
SELECT ~!@#^&|`?%
--=--
SELECT +, -, *, /, %, ^, <, >, =, ~, !, @, #, &, |, `, ?
--=--
SELECT +-+-+-+a
--=--
SELECT *-*-*
--=--
SELECT @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
--=--
SELECT a?b, a??b, a?|b, a?&b
--=--
SELECT (a)-(b), [a]-[b], a,-b, a;-b
--=--
SELECT 'a'||'b', 'a'-'b', 'a'='b'
--=--
SELECT a &'x', a& 'x', a&"x", u&x
--=--
SELECT <=, >=, <>, !=, =>, ->, ->>, #>, #-, @@, <->, |/, ||/
