SELECT $1a
--=--
SELECT $1é
--=--
SELECT $1_000
--=--
SELECT U&'\00'
--=--
SELECT U&'\D83D'
--=--
SELECT U&'\DE00'
--=--
SELECT U&'\D83Dx\DE00'
--=--
SELECT U&'\0000'
--=--
SELECT U&'\+110000'
--=--
SELECT U&'a' UESCAPE 'a'
--=--
SELECT U&'a' UESCAPE '!!'
--=--
SELECT U&'a' UESCAPE ''
--=--
SELECT U&'a' UESCAPE ' '
--=--
SELECT U&'a' UESCAPE '+'
--=--
SELECT U&'a' UESCAPE
--=--
SELECT U&'a' UESCAPE x
--=--
SELECT U&'a' UESCAPE N'!'
--=--
SELECT U&"\zzzz"
--=--
SELECT U&'a' UESCAPE 'é'
