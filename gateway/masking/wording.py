"""The words beside which names, addresses and dates of birth stand, and the patterns built from them.

Names of people have no shape of their own: only what stands before them tells. Everything here errs towards leaving
ordinary text alone; the columns that hold nothing but names are found by their catalogue's label.
"""

import re

_UPPER = rb"(?:[A-Z]|\xc3[\x80-\x9e]|\xc4[\x80-\xbf]|\xc5[\x80-\xbd])"
_LETTER = rb"(?:[A-Za-z]|[\xc3-\xcf\xd0-\xd3][\x80-\xbf])"
_NAME_WORD = _UPPER + rb"(?:" + _LETTER + rb"|['\x60](?=" + _LETTER + rb")|\xe2\x80\x99){0,24}"
_PARTICLE = (
    rb"(?:van der|van den|van de|van|von der|von|zu|de la|de los|del|della|di|da|de|do|dos|das|du|des|le|la|el|al|"
    rb"bin|y|e|ten|ter|den|der|het|'t)"
)
_ONE_NAME = rb"(?:" + _NAME_WORD + rb"\.?(?:-" + _NAME_WORD + rb")?)"
NAME = _ONE_NAME + rb"(?:[ \t\xa0]{1,2}(?:" + _PARTICLE + rb"[ \t])?" + _ONE_NAME + rb"){0,4}"

_TITLES = (
    rb"Mr|MR|Mrs|MRS|Ms|Mx|Dr|DR|Dra|Prof|Miss|Herr|Herrn|HERR|Frau|FRAU|Mme|MME|Mlle|Monsieur|Madame|Sra|Srta|"
    rb"Se\xc3\xb1ora?|Signora?|Dott|Dhr|Mevr|Mevrouw|Pani"
)
_GREETINGS = (
    rb"Dear|DEAR|Hi|Hello|Hallo|Liebe|Lieber|Bonjour|Ch\xc3\xa8re|Cher|Hola|Estimado|Estimada|Querido|Querida|Gentile|Caro|Cara|Ciao|"
    rb"Prezado|Prezada|Ol\xc3\xa1|Beste|Geachte|Drogi|Droga|Hej|Regards,|Sincerely,|Thanks,|Cheers,"
)
_PERSONS = (
    rb"[Pp]atient|PATIENT|[Cc]ustomer|CUSTOMER|[Ee]mployee|[Cc]lient|[Cc]aller|[Pp]atientin|[Kk]unde|[Kk]undin|[Cc]liente|[Pp]aciente|"
    rb"[Pp]aziente|[Kk]lant|[Pp]ati\xc3\xabnt|[Pp]atiente|[Kk]lient|[Mm]ember|[Bb]eneficiary|[Gg]uest|"
    rb"[Ss]poke (?:with|to)|[Mm]et with"
)
_KEYS = (
    rb"name|full name|first name|last name|surname|contact|patient|customer|client|employee|caller|"
    rb"cardholder|account holder|kunde|"
    rb"vorname|nachname|nom|pr\xc3\xa9nom|nombre|apellidos?|nome|cognome|naam|achternaam|voornaam|nazwisko|"
    rb"namn|signed|signed by|attn|"
    rb"next of kin|emergency contact|guest|passenger|beneficiary|paciente|cliente|paziente"
)
NAME_GATES = (
    rb"(?:" + _TITLES + rb")(?:\. | )[A-Z\xc3-\xc5]",
    rb"(?:" + _GREETINGS + rb")[ ,\n]{1,2}[A-Z\xc3-\xc5]",
    rb"(?:" + _PERSONS + rb")[:,]? [A-Z\xc3-\xc5]",
)
KEY_GATES = (rb"(?:" + _KEYS + rb")[\"']?\s?[:=]\s{0,2}[\"']?[a-z\xc3-\xc5]",)  # any case
NAME_AFTER = re.compile(
    rb"(?<![A-Za-z])(?:(?P<title>(?:"
    + _TITLES
    + rb")\.?)|(?P<greeting>"
    + _GREETINGS
    + rb")|(?P<person>"
    + _PERSONS
    + rb"))"
    rb"[:,]?[ \t\n\xa0]{1,2}(?P<name>(?:(?:Mr|Mrs|Ms|Dr|Prof|Herr|Frau|Sra?)\.? )?" + NAME + rb")"
)
KEY_AFTER = re.compile(
    rb"(?i:(?<![A-Za-z_.-])(?:" + _KEYS + rb"))[\"']?\s?[:=]\s{0,2}[\"']?"
    rb"(?P<name>" + _ONE_NAME + rb"(?:,? (?:" + _PARTICLE + rb" )?" + _ONE_NAME + rb"){1,4}|"
    rb"(?<![=\"'])(?<!= )[a-z]{2,20} [a-z]{2,20}(?= ?(?:[\n,;|)\"]|$)))"
)
# What follows such words and names nobody.
NOBODY = frozenset(
    b"""The There This That These Those Then Sir Madam Sirs Madams Team Teams All Everyone Everybody Customer Customers
    Client Clients Support Service Services Success Care World You Your We Our I It He She They What When Where Why
    How If In On At And Or But Not No Yes Mom Dad God Friends Friend Colleague Colleagues Reader Readers User Users
    Valued Hiring Manager Management Engineer Engineering Developer Director Analyst Architect Consultant Data
    Database Table Name Names Number Id ID Identifier Type Account Accounts Record Records History Portal Handbook
    Library Side Server Application App API Relationship Relations Benefits Onboarding Experience Email Address
    Phone Status Profile Profiles Information Info Form Forms Acquisition Lifetime Value Segment Segmentation
    Retention Journey Feedback Satisfaction Complaint Order Orders Request Requests Ticket Tickets Report Reports
    Demo Example Unknown None Null True False Test Admin Administrator Default Office Word Excel Windows SQL Access
    Damen Herren Kunde Kunden Liste Sehr Protocol Code Class Function Module Object Objects Method Error Errors
    Exception Descriptor Descriptors Functions Python Java Of A An Is Are Was Were Has Have Had Will Can Could
    Should Would May Might Must Do Does Did Please Thank Thanks Best Kind Regards Welcome Again Monday Tuesday
    Wednesday Thursday Friday Saturday Sunday January February March April June July August September October
    November December New Old First Last Only With Without""".split()
)

_SUFFIXES = (
    rb"Alley|Annex|Arcade|Avenue|Ave|Bayou|Beach|Bend|Bluffs?|Bottom|Boulevard|Blvd|Branch|Bridge|Brooks?|Burgs?|Bypass|Camp|Canyon|Cape|"
    rb"Causeway|Centers?|Circles?|Cliffs?|Close|Club|Common|Corners?|Course|Courts?|Coves?|Creek|Crescent|Crest|Crossing|Crossroad|Curve|Dale|"
    rb"Dam|Divide|Drives?|Dr|Estates?|Expressway|Extensions?|Falls?|Ferry|Fields?|Flats?|Fords?|Forest|Forges?|Forks?|Fort|Freeway|Gardens?|"
    rb"Gateway|Glens?|Greens?|Groves?|Harbors?|Haven|Heights|Highway|Hwy|Hills?|Hollow|Inlet|Islands?|Isle|Junctions?|Keys?|Knolls?|Lakes?|"
    rb"Land|Landing|Lane|Ln|Lights?|Loaf|Locks?|Lodge|Loop|Mall|Manors?|Meadows?|Mews|Mills?|Mission|Motorway|Mountains?|Mount|Neck|Orchard|"
    rb"Oval|Overpass|Parks?|Parkways?|Pkwy|Pass|Passage|Path|Pike|Pines?|Place|Pl|Plains?|Plaza|Points?|Ports?|Prairie|Radial|Ramp|Ranch|"
    rb"Rapids?|Rest|Ridges?|River|Roads?|Rd|Route|Row|Rue|Run|Shoals?|Shores?|Skyway|Springs?|Spurs?|Squares?|Sq|Station|Stravenue|Stream|"
    rb"Streets?|St|Summit|Terrace|Throughway|Trace|Track|Trafficway|Trail|Tunnel|Turnpike|Underpass|Unions?|Valleys?|Via|Viaduct|Views?|"
    rb"Villages?|Ville|Vista|Walks?|Wall|Ways?|Wells?"
)
_UNIT = rb"(?:,? (?:Suite|Apt\.?|Apartment|Unit|Flat|Ste\.?|#) ?[0-9A-Za-z]{1,6}\b)?"
_OF_ROMANCE = rb"[Rr]ue|[Aa]venue|[Bb]oulevard|[Cc]hemin|[Pp]lace|[Ii]mpasse|[Qq]uai|[Aa]ll\xc3\xa9e"
_ROMANCE = (
    rb"Calle|C/|Avenida|Avda\.?|Plaza|Paseo|Rambla|Ronda|Camino|Carretera|Callej\xc3\xb3n|Glorieta|Traves\xc3\xada|Pasaje|Via|Viale|Piazza|Corso|Vicolo|"
    rb"Strada|Borgo|Contrada|Rua|R\.|Travessa|Pra\xc3\xa7a|Alameda|Rodovia|Estrada|Largo|ulica|ul\.|al\.|aleja|plac|pl\.|os\."
)
_GERMANIC = (
    rb"stra\xc3\x9fe|strasse|str\.|weg|platz|allee|gasse|ring|damm|ufer|straat|laan|plein|kade|gracht|dijk|singel|dreef|steeg|boulevard|"
    rb"v\xc3\xa4gen|gatan|gr\xc3\xa4nd|torget|stigen"
)
ADDRESS_WORD_GATES = (
    rb"[0-9],? (?:bis |ter )?(?:" + _OF_ROMANCE + rb") [A-Za-z\xc3]",
    rb"(?:" + _ROMANCE + rb") [A-Za-z\xc3-\xc5][^\n0-9]{2,40}[0-9]",
    rb"(?:" + _GERMANIC + rb"|Stra\xc3\x9fe|Allee|Platz|Gasse|Ring|Weg) [0-9]",
    rb"[0-9] (?:[a-z]{1,20} ){1,2}(?:street|avenue|road|boulevard)",
)
ADDRESS_SHAPE_GATES = (
    rb"[0-9] [A-Z][A-Za-z'.-]{0,20} [A-Z]",
    rb"[0-9](?:st|nd|rd|th) (?:Street|St|Avenue|Ave)",
)
ADDRESS = re.compile(
    rb"(?<![0-9A-Za-z.,/:-])[0-9]{1,6}[A-Za-z]?,? (?:(?:N|S|E|W|NE|NW|SE|SW|North|South|East|West)\.? )?"
    rb"(?:[A-Z][A-Za-z'.-]*|[0-9]{1,3}(?:st|nd|rd|th)) (?:[A-Z][A-Za-z'-]* ){0,2}(?:"
    + _SUFFIXES
    + rb")\b\.?"
    + _UNIT
    + rb"|(?<![0-9A-Za-z.,/:-])[0-9]{1,6} (?:[A-Za-z]{2,20} ){1,2}(?i:street|avenue|road|boulevard)\b"
    + _UNIT
    + rb"|(?<![0-9A-Za-z.,/:-])[0-9]{1,5},? (?:bis |ter )?(?:"
    + _OF_ROMANCE
    + rb") (?:(?:du|de|des|de la|la|le|les|l') ?){0,2}"
    + NAME
    + rb"|(?<![A-Za-z])(?:"
    + _ROMANCE
    + rb") (?:(?:de|del|de la|di|do|da|dos|das|dei|della) )?"
    + NAME
    + rb",? (?:n\xc2\xba ?)?[0-9]{1,5}(?:[-/][0-9]{1,5})?\b"
    rb"|(?:"
    + _LETTER
    + rb"|-){2,40}(?:"
    + _GERMANIC
    + rb"|[- ]?(?:Stra\xc3\x9fe|Allee|Platz|Gasse|Ring|Weg|Damm|Ufer)) [0-9]{1,5}[a-z]?(?:[-/][0-9]{1,5})?\b"
)
_MONTH = (
    rb"(?:jan|feb|mar|m\xc3\xa4r|apr|may|mai|mei|jun|jul|aug|sep|oct|okt|nov|dec|dez|d\xc3\xa9c|f\xc3\xa9v|avr|juin|juil|ao\xc3\xbb|ene|abr|ago|dic|"
    rb"gen|mag|giu|lug|set|ott|fev|out|maj|sty|lut|kwi|cze|lip|sie|wrz|pa\xc5|lis|gru)(?:[a-z]|[\xc3-\xc5][\x80-\xbf]){0,10}\.?"
)
_BIRTH = (
    rb"born|dob|d\.o\.b\.?|date of birth|birth ?date|birthday|geboren|geburtsdatum|geburtstag|geb\.|"
    rb"n\xc3\xa9e? le|date de naissance|"
    rb"nacid[oa]|nacimiento|nat[oa] il|nascita|nascid[oa]|nascimento|geboren op|geboortedatum|urodzon[ya]|"
    rb"urodzenia|f\xc3\xb6dd|f\xc3\xb6delsedatum"
)
BIRTH_GATES = (
    rb"(?:born|dob|d\.o\.b|birth|geboren|geburts|geb\.|n\xc3\xa9e? le|naiss|nacid|nacim|nascita|nat[oa] il|"
    rb"nascid|nascim|geboort|urodz|"
    rb"f\xc3\xb6d)[^0-9\n]{0,24}[0-9]",
)  # any case
BIRTH = re.compile(
    rb"(?i)(?<![a-z])(?:"
    + _BIRTH
    + rb")(?:[^0-9A-Za-z\n]|\b(?:on|in|the|is|was|am|op|le|el|il|em|den|of|dag)\b){0,8}"
    rb"(?P<day>[0-9]{4}[-./ ][0-9]{1,2}[-./ ][0-9]{1,2}|[0-9]{1,2}[-./ ][0-9]{1,2}[-./ ](?:[0-9]{4}|"
    rb"[0-9]{2})|(?:19|20)[0-9]{6}|"
    rb"[0-9]{1,2}(?:st|nd|rd|th|er|\.|\xc2\xba)?(?: of| de)? ?-?"
    + _MONTH
    + rb"(?: of| de)?,? ?-?[0-9]{2,4}|"
    + _MONTH
    + rb" [0-9]{1,2}(?:st|nd|rd|th)?,? [0-9]{2,4}|(?:19|20)[0-9]{2})(?![0-9])"
)
