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
--=--
SELECT a=-1, a<-1, a>-1, a<>-1, a<=-1, a>=-1, a=+1
--=--
SELECT a->'b'->>'c'#>'{d}'#>>'{e}', f@>g, h<@i, j||k, l&&m
--=--
SELECT a=-b, a=- b, a=-(1), a=-'1', a=-$1, a =-
1
--=--
SELECT -a, +a, - - a, -+-a, a- -b, a+-b
--=--
SELECT a!=-1, a~-1, a@-1, a#-b
--=--
SELECT a.*, b.c[1:2], d[:3], e::int, f := 1, g => 2
--=--
SELECT *,a*b,a * -b,a/b,a%b,a^b
