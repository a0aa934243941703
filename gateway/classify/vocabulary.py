"""The words by which columns and tables tell what they hold: English, German, French, Spanish, Italian, Portuguese, Dutch,
and those of `languages`.

Words are ASCII, accents gone. A phrase also matches where it is written as one word ("firstname"). Order counts: the first
label whose phrase is found and whose types fit is taken, so the narrower stand before the broader.
"""

from gateway.classify.languages import MORE


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# label: phrases, separated by commas
_PHRASES: dict[str, str] = {
    "email": """email, e mail, mail, emails, mailaddress, courriel, correo, correio, mailadresse, emailadresse,
        epost, posta elettronica, correo electronico""",
    "secret": """password, passwords, passwd, pwd, passphrase, passcode, secret, secrets, api key, access key,
        private key, secret key, signing key, encryption key, ssh key, token, credential, credentials, pin,
        pin code, otp, totp, mfa seed, recovery code, backup codes, security answer, salt, passwort, kennwort,
        zugangscode, geheim, mot de passe, mdp, contrasena, senha, wachtwoord, parola chiave, parola d ordine,
        codice segreto""",
    "card": """card number, card no, card num, card pan, credit card, debit card, payment card, cc number,
        cc num, cc no, ccn, pan, cvv, cvc, card, kreditkarte, kreditkartennummer, kartennummer,
        carte bancaire, carte bleue, numero carte, numero de carte, tarjeta, numero tarjeta, carta di credito,
        carta credito, numero carta, cartao, cartao de credito, numero cartao, kaartnummer, creditcardnummer""",
    "iban": """iban, bank account, account number, account no, acct no, acct number, acct num, routing number,
        kontonummer, konto nr, bankverbindung, bankkonto, numero compte, numero de compte, compte bancaire, rib,
        cuenta bancaria, numero cuenta, numero de cuenta, conto corrente, conto bancario, numero conto,
        conta bancaria, numero da conta, rekeningnummer, bankrekening""",
    "ssn": """ssn, social security, social security number, social insurance, national id, national identifier,
        national insurance, nino, itin, tin, tax id, tax number, taxpayer id, personal id number, citizen id,
        identity number, identity card, aadhaar, sozialversicherungsnummer, sozialversicherung, svnr, steuernummer,
        steuer id, steueridentifikationsnummer, ausweisnummer, personalausweis, personalausweisnummer,
        numero securite sociale, securite sociale, numero de securite sociale, nir, insee, dni, nie, nif, nss,
        curp, seguridad social, codice fiscale, carta identita, cpf, rg, nis, pis, cartao cidadao, bsn,
        burgerservicenummer, rijksregisternummer""",
    "dob": """dob, birth date, date of birth, birthday, birth day, birth year, year of birth, birthdate, birth,
        born, born on, geburtsdatum, geburtstag, geburtsjahr, geb datum, gebdatum, geboren, date naissance,
        date de naissance, naissance, ddn, fecha nacimiento, fecha de nacimiento, nacimiento, data nascita,
        data di nascita, nascita, data nascimento, data de nascimento, nascimento, geboortedatum, geboorte,
        geboortejaar""",
    "ip": """ip, ip address, ip addr, ipaddr, ipv, remote addr, remote address, client addr, client address,
        mac address, mac addr, x forwarded for, ip adresse, adresse ip, direccion ip, indirizzo ip, endereco ip,
        ip adres""",
    "phone": """phone, phones, telephone, tel, mobile, mobile number, cell, cellphone, cell phone, fax, msisdn,
        gsm, whatsapp, phone number, telefon, telefonnummer, handy, handynummer, mobil, mobilnummer,
        mobiltelefon, rufnummer, festnetz, portable, telefono, movil, celular, cellulare, telefone, telemovel,
        telefoon, telefoonnummer, mobiel""",
    "salary": """salary, salaries, wage, wages, compensation, income, base pay, gross pay, net pay, pay rate,
        hourly rate, payroll, annual pay, bonus, gehalt, lohn, einkommen, bruttogehalt, nettogehalt, salaire,
        remuneration, salario, sueldo, nomina, ingresos, stipendio, reddito, retribuzione, vencimento,
        remuneracao, rendimento, salaris, loon, inkomen""",
    "health": """diagnosis, diagnoses, diagnostic code, icd, medication, medications, prescription,
        prescriptions, allergy, allergies, allergic, blood type, blood group, disease, diseases, symptom,
        symptoms, treatment, treatments, medical, disability, health condition, health status, health record,
        health insurance, health notes, health issues, hiv, pregnant, pregnancy, vaccination, vaccinated, mrn,
        lab result, lab results, diabetic, smoker, diagnose, diagnosen, krankheit, krankheiten, medikament,
        medikamente, blutgruppe, behandlung, krankenkasse, krankenversicherung, schwerbehindert, maladie,
        medicament, medicaments, allergie, groupe sanguin, traitement medical, enfermedad, diagnostico, alergia,
        alergias, medicamento, grupo sanguineo, malattia, diagnosi, allergia, farmaco, gruppo sanguigno, doenca,
        diagnostico medico, tipo sanguineo, ziekte, medicijn, medicijnen, bloedgroep, zorgverzekering""",
    "address": """address, addresses, addr, address line, street, street name, house number, postal address,
        zip, zip code, zipcode, postcode, post code, postal code, po box, adresse, anschrift, strasse,
        hausnummer, plz, postleitzahl, rue, code postal, voie, direccion, calle, domicilio, codigo postal,
        indirizzo, residenza, codice postale, endereco, rua, morada, adres, straat, straatnaam, huisnummer""",
    "geo": """latitude, longitude, lat, lon, lng, geolocation, geo location, gps, coordinates, coords, lat lng,
        latlng, lat long, latlon, breitengrad, langengrad, laengengrad, standort, latitud, longitud, latitudine,
        longitudine, coordinate, coordenadas, coordonnees, breedtegraad, lengtegraad, coordinaten""",
    "name": """first name, last name, full name, middle name, given name, family name, maiden name, birth name,
        legal name, preferred name, forename, surname, fname, lname, firstname, lastname, name first, name last,
        cardholder, card holder, account holder, next of kin, emergency contact, username, user name,
        login name, vorname, nachname, familienname, geburtsname, zuname, prenom, nom famille, nom de famille,
        nom complet, nom naissance, apellido, apellidos, nombre completo, nombre pila, primer nombre,
        primer apellido, segundo apellido, cognome, nome completo, sobrenome, apelido, voornaam, achternaam,
        tussenvoegsel, volledige naam""",
    "free_text": """notes, note, comment, comments, remark, remarks, message, message body, body, bio,
        biography, about me, feedback, memo, transcript, free text, freetext, conversation, chat, bemerkung,
        bemerkungen, notiz, notizen, kommentar, kommentare, anmerkung, anmerkungen, nachricht, commentaire,
        commentaires, remarque, remarques, comentario, comentarios, observaciones, observacoes, mensaje,
        mensagem, nota, commento, commenti, osservazioni, messaggio, opmerking, opmerkingen, notitie, notities,
        bericht""",
}

# The order of the labels: what is found first is taken.
_ORDER = (
    "email", "secret", "card", "iban", "passport", "licence", "ssn", "biometric", "dob", "ip", "phone", "salary", "health",
    "address", "geo", "name", "free_text",
)  # fmt: skip
PHRASES = {
    label: " ".join(", ".join(held[label] for held in (_PHRASES, MORE) if label in held).split()) for label in _ORDER
}

# A column that ends so is about the value, not the value itself.
ABOUT = _words(
    """count cnt total type kind status state flag verified confirmed validated valid invalid enabled disabled
    opt optin optout sent at id ids format template domain provider source country countrycode prefix length
    limit policy version expires expiry expiration month year day brand frequency preference preferences
    reminder required attempts attempt errors error label currency category level score rank order index idx
    class scheme method mode uuid algorithm algo lang language timezone bounced unsubscribed
    subscribed allowed blocked public visible hidden sync synced changed updated created date time ts typ
    anzahl statut tipo estado stato"""
)
# The words above do not count behind these: an id of e-mail is often the address itself.
ABOUT_KEPT = {
    "email": frozenset({"id"}),
    "ssn": frozenset({"id"}),
    "passport": frozenset({"id"}),
    "licence": frozenset({"id"}),
    "biometric": frozenset({"format", "template", "id", "method"}),
    "dob": frozenset({"year", "month", "day", "date", "at"}),
    "salary": frozenset({"total", "year", "month"}),
    "health": frozenset({"type", "kind", "status", "class", "level", "category", "score", "flag"}),
}

# A word that, anywhere before the phrase or behind it, says that something else is meant.
NOT_WITH: dict[str, frozenset[str]] = {
    "address": frozenset(
        {"ip", "mac", "email", "mail", "web", "url", "memory", "wallet", "contract", "bus", "network", "host"}
    ),
    "free_text": frozenset(
        {"error", "status", "commit", "log", "sms", "release", "exception", "response", "html"}
    ),
    "dob": frozenset(
        {"place", "city", "country", "ort", "lieu", "lugar", "luogo", "local", "plaats", "weight", "order"}
    ),
    "name": frozenset(
        {"host", "file", "db", "database", "table", "schema", "domain", "server", "plan", "product", "role"}
    ),
    "phone": frozenset(
        {"model", "os", "app", "version", "device", "reference", "size", "shape", "nucleus", "nuclei", "membrane", "culture"}
    ),
    "secret": frozenset(
        {"used", "usage", "price", "max", "min", "contract", "symbol", "prompt", "completion"}
    ),
    "health": frozenset({"check", "endpoint", "url", "service", "water", "waste", "soil"}),
    "card": frozenset({"business", "sim", "graphics", "trello", "sort"}),
    "licence": frozenset({"software", "product", "vehicle", "plate", "serial", "seats", "key"}),
    "biometric": frozenset(
        {"device", "browser", "key", "cert", "certificate", "ssh", "ssl", "tls", "public", "query", "error", "file"}
    ),
    "salary": frozenset({"insurance", "plan"}),
    "geo": frozenset({"warehouse", "store"}),
}

# <one of these> name: a person's name.
PERSON_QUALIFIERS = _words(
    """customer client patient employee user person contact member student teacher doctor physician nurse guest
    passenger owner holder cardholder beneficiary recipient sender author manager supervisor spouse parent
    child mother father guardian applicant candidate insured subscriber donor driver attendee participant
    tenant resident victim witness agent buyer seller payer payee requester assignee approver signer
    signatory billing shipping kunde kunden patienten mitarbeiter benutzer nutzer ansprechpartner inhaber
    empfaenger empfanger absender cliente paciente empleado usuario titular alumno utilisateur salarie
    titulaire destinataire dipendente utente paziente intestatario funcionario aluno klant medewerker
    gebruiker houder klient pacjent pracownik uzytkownik kund anvandare anstalld medarbejder bruger bruker ansatt
    asiakas potilas kayttaja tyontekija zakaznik pacient zamestnanec uzivatel musteri hasta calisan kullanici
    pacient angajat utilizator ugyfel beteg felhasznalo alkalmazott borrower claimant policyholder debtor"""
)
_NAME = _words("name nom nombre nome naam namn navn nimi imie jmeno nume nev isim namae nm")
NAME_WORDS = _NAME | {"names", "namen"}
NAME_IN_PEOPLE = _NAME | {"fullname", "initials", "nickname", "alias", "ad"}

# Tables of people, singular and plural as they are written.
PEOPLE = _words(
    """user users customer customers client clients employee employees patient patients people person persons
    contact contacts member members student students pupil pupils teacher teachers staff guest guests
    passenger passengers subscriber subscribers lead leads profile profiles beneficiary beneficiaries
    applicant applicants candidate candidates doctor doctors physician physicians nurse nurses author
    authors citizen citizens resident residents voter voters donor donors attendee attendees participant
    participants driver drivers owner owners worker workers tenant tenants buyer buyers visitor visitors
    individual individuals kunde kunden mitarbeiter patienten benutzer personen nutzer mitglied mitglieder
    schueler schuler studenten angestellte utilisateur utilisateurs employe employes personne personnes
    adherent adherents eleve eleves cliente clientes usuario usuarios empleado empleados persona personas
    paciente pacientes alumno alumnos socio socios clienti utente utenti dipendente dipendenti persone
    paziente pazienti soci utilizador utilizadores funcionario funcionarios pessoa pessoas aluno alunos
    klant klanten medewerker medewerkers gebruiker gebruikers leden lid osoby osoba klienci klient pacjenci pacjent
    pracownicy uzytkownicy kunder kund anvandare personer anstallda medarbejdere brukere ansatte medlemmer
    asiakkaat asiakas henkilot potilaat kayttajat tyontekijat zakaznici zakaznik pacienti zamestnanci lide
    musteriler musteri hastalar kisiler calisanlar kullanicilar persoane clienti pacienti angajati utilizatori
    ugyfelek szemelyek betegek felhasznalok alkalmazottak kokyaku kanja kehu yonghu huanzhe gogaek hwanja
    klienty patsienty sotrudniki polzovateli borrowers claimants policyholders"""
)
# Tables of places.
PLACES = _words(
    """airport airports station stations store stores shop shops warehouse warehouses city cities town towns country
    countries region regions school schools university universities branch branches venue venues hotel hotels
    restaurant restaurants park parks landmark landmarks port ports museum museums hospital hospitals lake lakes
    river rivers mountain mountains
    island islands capital capitals state states county counties depot depots factory factories plant plants office offices
    stop stops stadt stadte ciudad ciudades ville villes aeroport aeroports flughafen"""
)
# Parts of a table's name that do not change what its rows are.
TABLE_TRIMMINGS = _words(
    """tbl table t v vw view dim fact stg staging raw tmp temp old new archive archived archiv backup bak hist
    history copy data info details detail master all app core dbo public import export list record records
    small large sample full"""
)
# A column so named holds something else than persons' names, whatever its values look like.
NOT_PERSONS = _words(
    """city town village region state province country county continent place location area district stadt ort land
    ville pays ciudad pais provincia comune citta cidade estado stad plaats miasto kraj kommun mesto sehir varos company
    organization organisation employer firm firma empresa societe azienda brand make model product item title job
    position occupation department team genre category type species class color colour street road school university
    hospital restaurant hotel station airport airline carrier vendor supplier publisher studio label flavor language
    nationality religion currency month day weekday status origin destination variety breed symbol ticker file path
    host domain url app application"""
)
# A column so named holds numbers of things, not of persons.
NOT_NUMBERS = _words(
    """id ids order orders invoice sku ref reference tracking barcode ean upc isbn gtin code product item batch serial
    loyalty points transaction txn session key hash count total amount price quantity qty size bytes version epoch
    timestamp ts time seq sequence index row rank lot parcel shipment ticket case"""
)
