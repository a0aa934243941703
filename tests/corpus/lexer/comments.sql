-- only a comment
--=--
/* only a comment */
--=--
SELECT 1 -- to the end
--=--
SELECT 1 -- one
, 2 -- two
--=--
SELECT /* one */ 1 /* two */, /**/ 2 /***/
--=--
SELECT /* a /* b */ c */ 1
--=--
SELECT /*/**/*/ 1
--=--
SELECT /*/*/*/*/ 1 */*/*/*/ 2
--=--
SELECT /*****/ 1 /* * / */ /* /**/ */
--=--
SELECT 1/**/+/**/2
--=--
DELETE/**/FROM/**/t
--=--
SELECT 1 /* it's "quoted" $$ */
--=--
SELECT '/*' , 1 /* ' */
--=--
SELECT 1 -- it's /* not a comment
, 2
--=--
SELECT /* -- */ 1
--=--
SELECT 1 -- /*
, 2 -- */
--=--
SELECT 1 ---- x
--=--
--
--=--
SELECT 1 - -1, 1 --1
--=--
SELECT a /*action='index',traceparent='00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2-01'*/
--=--
/*+ SeqScan(t) */ SELECT 1
--=--
SELECT 1 /*/ */ , 2
--=--
SELECT U&'!0061' /* c */ UESCAPE /* d */ '!'
--=--
SELECT U&'!0061' -- c
UESCAPE -- d
'!'
--=--
SELECT 'a' /* c */ 'b'
--=--
SELECT 'a' /* c
*/ 'b'
--=--
SELECT 'a' - -- c
'b'
--=--
SELECT "a" -- c
"b"
--=--
SELECT 'a'--c
--=--
SELECT 'a' -
'b'
--=--
SELECT 1 /*/ one */, 2 /***/, 3 /*a**/, 4 /* * / */
--=--
SELECT a -- to the end
--=--
SELECT 'a' -- said
, 'b' /* and */ 'c'
--=--
/**/SELECT/**/1/**/
--=--
-- first
SELECT 1 --, 2 -- last
--=--
SELECT a/*c*/.b/*d*/, 'x'/*e*/::text
--=--
SELECT 1 -- trailing blanks 	 
 + 2
--=--
/* app='é', route='%2Fà' */ SELECT à, "à" /* à */ -- à
 FROM é
--=--
SELECT a = /* sign */ -1, b=-1, c<=-1, d>=+1, e<>-1
--=--
SELECT 'it''s' /* 'open */ , '--', '/*', "--", "/*"
