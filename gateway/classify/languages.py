"""The words of the vocabulary in more languages: Polish, Swedish, Danish, Norwegian, Finnish, Czech, Turkish, Romanian,
Hungarian; Japanese, Chinese, Korean and Russian in Latin letters and in their own; and what people abbreviate.

As in the vocabulary: ASCII, accents gone, phrases separated by commas. Words that mean something else in another of the
languages are left out. NATIVE is found anywhere in a column's name as it is written.
"""

# label: phrases
MORE: dict[str, str] = {
    "email": """eml, emailid, emailaddr, e post, epostadress, sahkoposti, sahkopostiosoite, eposta, e posta,
        poczta elektroniczna, adres email, adresa email, email cim, emailcim, mejl, youxiang, dianziyoujian,
        meru adoresu, elektronnaya pochta, pochta""",
    "secret": """pswd, passwrd, psswd, pass hash, passhash, user pass, userpass, pwd hash, pwhash, hashed pw,
        apikey, auth key, bearer, jwt, session key, client secret, webhook secret, mfa secret, totp secret,
        haslo, losenord, adgangskode, passord, salasana, heslo, sifre, parola, jelszo, pasuwado, mima,
        bimilbeonho, parol""",
    "card": """ccnum, ccno, cardno, cardnum, cardnbr, card nbr, crdt card, numer karty, karta kredytowa,
        kortnummer, kreditkort, kontokort, korttinumero, luottokortti, cislo karty, platebni karta, kart no,
        kart numarasi, kredi karti, numar card, card bancar, kartyaszam, bankkartya, yinhangka, xinyongka,
        kadeubeonho, nomer karty""",
    "iban": """bank acct, acct nbr, acctno, acctnum, accountno, accountnumber, bank acc, sort code, swift iban,
        bban, numer konta, rachunek bankowy, nr konta, bankkonto, kontonr, tilinumero, pankkitili, cislo uctu,
        bankovni ucet, hesap no, banka hesabi, cont bancar, numar cont, bankszamla, bankszamlaszam, szamlaszam,
        koza bango, yinhangzhanghao, gyejwabeonho, nomer scheta, raschetnyy schet""",
    "passport": """passport, passport number, passport no, passport num, passportno, reisepass, reisepassnummer,
        passnummer, passeport, pasaporte, passaporto, passaporte, paspoort, paspoortnummer, paszport, numer
        paszportu, passi, passinumero, cestovni pas, cislo pasu, pasaport, pasaport no, pasaportul, utlevel,
        utlevelszam, ryoken, huzhao, yeogwon, pasport, zagranpasport, travel document""",
    "licence": """driver license, drivers license, driver licence, drivers licence, driving licence, driving
        license, driver lic, licence number, license number, lic no, dl no, dl num, dl number, fuehrerschein,
        fuhrerschein, fuehrerscheinnummer, permis de conduire, permis conduire, carnet de conducir, permiso
        conducir, licencia conducir, patente, patente guida, carta de conducao, carteira motorista, cnh,
        rijbewijs, rijbewijsnummer, prawo jazdy, korkort, korkortsnummer, korekort, forerkort, ajokortti,
        ridicsky prukaz, ehliyet, ehliyet no, permis auto, permis conducere, jogositvany, unten menkyo, jiazhao,
        unjeonmyeonheo, voditelskoe udostoverenie""",
    "ssn": """soc sec, soc sec no, ssnum, ssn no, socsec, social insurance number, natl id, national number,
        national identity, government id, govt id, personal number, person number, pesel, nip osoby, dowod
        osobisty, numer dowodu, personnummer, personnr, samordningsnummer, cpr, cprnr, cpr nummer, cpr nr,
        fodselsnummer, fodselsnr, hetu, henkilotunnus, rodne cislo, cislo op, obcansky prukaz, tc kimlik, kimlik
        no, tckn, kimlik numarasi, cnp, cod numeric personal, buletin, szemelyi szam, szemelyi, taj szam,
        tajszam, adoazonosito, adoszam, egn, oib, jmbg, mai namba, kojin bango, shenfenzheng, shenfenzhenghao,
        jumin, jumin beonho, juminbeonho, snils, pan number, nric, sin number, medicare number, nhs number, nhs
        no""",
    "biometric": """biometric, biometrics, biometric data, fingerprint, fingerprints, finger print, face id,
        faceid, face embedding, face encoding, face template, facial, facial features, iris scan, iris template,
        retina, retina scan, voiceprint, voice print, palm print, palmprint, hand geometry, dna, dna sequence,
        genome, fingerabdruck, biometrisch, empreinte digitale, huella dactilar, impronta digitale, impressao
        digital, vingerafdruk, odcisk palca, fingeravtryck, sormenjalki, otisk prstu, parmak izi, amprenta,
        ujjlenyomat, shimon, zhiwen, otpechatok""",
    "dob": """bday, birth dt, brth dt, birthdt, dt birth, date birth, dateofbirth, dt of birth, data urodzenia,
        urodzony, rok urodzenia, fodelsedatum, fodelsedag, fodelsear, fodselsdato, fodselsdag, fodt,
        syntymaaika, syntymapaiva, datum narozeni, narozen, dogum tarihi, dogum gunu, dogum yili, data nasterii,
        data nastere, szuletesi datum, szuletesi ido, szuletesnap, seinengappi, tanjobi, shengri, chushengriqi,
        saengnyeonworil, saengil, data rozhdeniya, den rozhdeniya""",
    "ip": """ip adress, ipaddress, mac adresse, src ip, dst ip, peer addr, remote host addr, adres ip, ip
        osoite, ip adresa, ip adresi, adresa ip, ip cim""",
    "phone": """ph num, ph no, phn, phno, phnum, phone num, phone no, tel no, tel num, tel nbr, telno, telnr,
        mob no, mobno, mob num, contact no, contact number, landline, numer telefonu, telefon komorkowy,
        komorka, telefonnr, mobilnr, tlf, tlf nr, puhelin, puhelinnumero, matkapuhelin, telefonni cislo, cislo
        telefonu, cep telefonu, telefon no, numar telefon, numar de telefon, telefonszam, mobilszam, denwa,
        denwa bango, denwabango, keitai, dianhua, shouji, shoujihao, jeonhwa, jeonhwabeonho, hyudaepon, nomer
        telefona, mobilnyy""",
    "salary": """net worth, networth, credit score, fico, fico score, annual salary, take home pay, emp sal,
        wynagrodzenie, pensja, zarobki, dochod, lonn, inntekt, palkka, tulot, mzda, plat zamestnance, prijem,
        maas, gelir, salariu, venit, fizetes, berezes, jovedelem, kyuryo, nenshu, gongzi, xinzi, geupyeo,
        wolgeup, zarplata, oklad, dokhod, cuantia salarial""",
    "health": """medical record, medical record no, medical record number, med rec no, patient notes, clinical
        notes, icd code, snomed, chronic condition, immunization, immunizations, lab test, mental health,
        medical history, rozpoznanie, choroba, leki, grupa krwi, lakemedel, sjukdom, blodgrupp, sygdom,
        blodtype, sykdom, sairaus, laakitys, veriryhma, diagnoza, nemoc, lek pacienta, krevni skupina, hastalik,
        teshis, ilac, kan grubu, boala, medicament, grupa sanguina, betegseg, diagnozis, vercsoport, shindan,
        byomei, ketsuekigata, zhenduan, jibing, xuexing, jindan, hyeoraekhyeong, diagnoz, bolezn, gruppa
        krovi""",
    "address": """street addr, str addr, strt, mailing addr, home addr, zip cd, postal cd, postcd, apt no, apt
        num, adres zamieszkania, adres, ulica, kod pocztowy, gatuadress, gata, postnummer, postnr, gade, vej,
        husnummer, gateadresse, osoite, katuosoite, postinumero, adresa, ulice, psc, cep, cislo popisne, sokak,
        cadde, posta kodu, adresa domiciliu, strada, cod postal, lakcim, utca, iranyitoszam, jusho, juusho,
        yubin bango, dizhi, zhuzhi, youbian, juso, upyeonbeonho, pochtovyy indeks""",
    "geo": """geo lat, geo lon, geo lng, lat deg, lon deg, home location, gps lat, gps lon, szerokosc
        geograficzna, dlugosc geograficzna, latitud gps, leveysaste, pituusaste, enlem, boylam, latitudine,
        longitudine, zemepisna sirka, zemepisna delka, szelesseg, hosszusag, ido keido, weidu, jingdu, wido,
        gyeongdo, shirota, dolgota""",
    "name": """frst name, fst name, lst name, first nm, last nm, frst nm, lst nm, cust nm, customer nm, pt name,
        firstnm, lastnm, f name, l name, middle initial, nick name, imie, nazwisko, imie nazwisko, imie i
        nazwisko, fornamn, efternamn, fornavn, efternavn, etternavn, fullt namn, fulde navn, etunimi, sukunimi,
        koko nimi, jmeno prijmeni, prijmeni, krestni jmeno, soyad, soyadi, soyisim, ad soyad, adi soyadi,
        prenume, nume familie, nume complet, keresztnev, vezeteknev, csaladnev, teljes nev, shimei, myoji,
        xingming, zhenshixingming, seongmyeong, ireum, imya, familiya, otchestvo, fio""",
    "free_text": """notatka, notatki, uwagi, komentarz, wiadomosc, anteckning, anteckningar, kommentarer,
        meddelande, bemaerkning, besked, merknad, melding, huomautus, huomautukset, kommentti, viesti, poznamka,
        poznamky, komentar, zprava, aciklama, yorum, mesaj, notlar, observatii, comentariu, megjegyzes,
        hozzaszolas, uzenet, biko, beizhu, liuyan, memo text, primechanie, kommentariy, soobshchenie, case
        notes, description of incident""",
}

# In letters that are not Latin; narrower labels before broader ones.
NATIVE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("email", ("メール", "邮箱", "郵箱", "邮件", "電子郵件", "이메일", "전자우편", "почта", "эл_адрес", "имейл")),
    ("secret", ("パスワード", "暗証", "密码", "密碼", "口令", "비밀번호", "암호", "пароль", "секрет")),
    ("card", ("カード番号", "クレジット", "信用卡", "银行卡", "카드번호", "номер_карты", "карта_номер", "кредитная")),
    ("iban", ("口座番号", "银行账号", "銀行帳號", "账号", "계좌", "номер_счета", "расчетный_счет", "банковский_счет")),
    ("passport", ("パスポート", "旅券", "护照", "護照", "여권", "паспорт")),
    ("licence", ("運転免許", "免許証", "驾照", "驾驶证", "駕照", "운전면허", "водительск")),
    ("ssn", ("マイナンバー", "個人番号", "身份证", "身分證", "주민등록", "주민번호", "снилс")),
    ("biometric", ("指紋", "指纹", "지문", "отпечат", "биометр")),
    ("dob", ("生年月日", "誕生日", "出生日期", "生日", "생년월일", "생일", "дата_рождения", "день_рождения")),
    ("phone", ("電話", "携帯", "电话", "手机", "手機", "전화", "휴대폰", "телефон", "мобильный")),
    ("salary", ("給与", "年収", "工资", "薪资", "薪水", "급여", "연봉", "зарплата", "оклад", "доход")),
    ("health", ("診断", "病名", "血液型", "诊断", "疾病", "血型", "진단", "혈액형", "диагноз", "болезнь", "группа_крови")),
    ("address", ("住所", "郵便番号", "地址", "住址", "邮编", "주소", "우편번호", "адрес", "улица", "индекс_почт")),
    ("geo", ("緯度", "経度", "纬度", "经度", "위도", "경도", "широта", "долгота")),
    ("name", ("氏名", "名前", "苗字", "姓名", "真实姓名", "성명", "이름", "фамилия", "отчество", "имя_клиента", "фио")),
    ("free_text", ("備考", "コメント", "备注", "留言", "評論", "비고", "메모", "комментарий", "примечание", "сообщение")),
)
