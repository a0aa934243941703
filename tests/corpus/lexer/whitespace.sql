SELECT 'a''b', 'a'
'b', 'a'
	 'b'
--=--
SELECT1,2,	3
,4
