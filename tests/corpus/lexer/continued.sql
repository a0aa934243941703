SELECT 'a' -- c
'b'
--=--
SELECT 'a'-- c
'b'
--=--
SELECT 'a'
-- c
'b'
--=--
SELECT 'a'
-- it's
   -- more
'b'
--=--
SELECT E'a' -- c
'\n'
--=--
SELECT B'1' -- c
'0'
--=--
SELECT U&'a' -- c
'b' UESCAPE '!'
