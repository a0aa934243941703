"""Names that many people bear, and the marks by which a text is a person's name or a postal address.

The lists are short on purpose: a column of names is told by the share of its values that hold one. Names that are better
known as words or places are left out. Lower case, accents gone.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


GIVEN = _words(
    """
    aaron abdul abigail adam adelaida adelheid aditya adrian adriana adrien agata agatha agnes agneta agnieszka ahmed
    ahmet ainhoa aisha ake akiko akira alain alan albert alberto albina aldo alejandro aleksandra alena alessandro
    alessia alexander alexandra alexandre alexandru alexey alexis alfred ali alice alicia alicja aline alvaro amanda
    amaya amelia amit amparo amy ana anders anderson andras andre andrea andreas andreea andrei andres andrew andrzej
    aneta angel angela angeles angelika angelo anil anita anja ann anna anne annegrete anneliese annemarie annette annie
    annika anouk anthony antoine anton antonia antonietta antonio antti araceli archie arjun arthur artur asa ashley
    astrid asuncion attila audrey augustin aurelie aurora ava axel ayesha ayse barbara barbro barry bartosz bas beata
    beatrice beatriz ben bengt benjamin benoit bente bernard bernd bettina betty beverly billy birgit birgitta bjorn
    blanca bob bobby bozena bradley bram brandon brenda brian brigitte brittany bruce bruna bruno bryan caio callum
    camila camilla camille candela capucine carl carlo carlos carlota carmela carmen carol caroline carolyn catalina
    catarina caterina catherine cayetana cecile celia celine chad chantal charles charlie cheryl chiara chloe christa
    christiane christina christine christopher chus clara clare clarice claude claudia claudio clemence clive cody
    colette concepcion connor constantin consuelo corey corinne cornelia cornelis craig cristina curtis cynthia czeslaw
    daan damian dan daniel daniela danielle danny danuta dario dariusz darren dave davi david davide dawid deborah debra
    deepa denis denise dennis derek detlef diana diane didier diego dieter dionisio dirk dmitri dmitry dolores domenico
    domingo donald donatella donna doris dorota dorothy douglas duncan dustin dylan ebba eckhard edith eduardo edward
    edwin egon ekaterina elaine elena eleonore elfriede elias elif elijah elin elisa elisabeth elizabeth elke ella elodie
    elzbieta emanuele emanuelly emil emilio emily emine emma emmanuel encarnacion enrique enzo eric erica erik erika
    ernst erwin erzsebet esmee esther ethan etienne eugene eugenio eusebio eva evelyn ewa ewald ewelina fabio fatima
    fatma federica federico feliciano felipe felix femke ferenc fernanda fernando finn fleur florian frances francesca
    francesco francisca francisco franck franco francois francoise frank frantisek freddie frederic fredrik frida
    friedrich fritz gabor gabriel gabriela galasso galina gareth gary gavin geir gemma genevieve geoffrey george georges
    gerald geraldine gerard gerd gerhard germaine gerrit gertrud gheorghe giancarlo gianfranco gianluca gilbert gilles
    gillian giorgia giorgio giovanna giovanni gisbert gisela giulia giuseppe giuseppina gloria gonzalo goran gordon
    gottfried graham graziella grazyna gregory grietje grzegorz guenter guilherme guillaume guillermo gunilla gunter
    gustav gustavo guy halil halina hana hanife hanna hannah hanne hannelore hannu hans harold harry hartmut haruka hasan
    hassan hatice hayley heather hector heike heikki heinz heitor helen helena helene helga helmut hendrik hendrika henk
    henri henrik henry henryk herbert herlinde hermann herminia herve hilary hildegard hiroshi holger holly horst hubert
    hugh hugo hugues huseyin hussein ian ibrahim ida ignacio igor ilona ilse ines ingeborg inger ingrid inmaculada ioana
    ion irena irene irina iris irmgard isabel isabella isabelle isadora isidro isla ismail istvan ivan iwona izabela
    jacek jack jacob jacobus jacqueline jacques jadwiga jaime jake jakob jakub james jan jana jane janet janice janina
    janos janusz jari jaroslav jaroslava jaroslaw jason javier jay jean jeanne jeffery jeffrey jennifer jenny jens jeremy
    jeroen jerry jerzy jesse jessica jesus jill jim jimmy jing jiri joachim joakim joan joanna joao joaquin jodie joe
    joerg johan johanna johannes john johnny jolanta jonas jonathan joost jorg jorge jorgen jose josef josefa joseph
    josephine joshua joyce jozef jozsef juan juana judith judy juergen juha jukka julia juliana julie julien juliette
    jurgen justin justyna kacper kamil karen kari karin karl karolina katalin katarzyna kate katerina katharina katherine
    kathleen kathrin kathryn katrin kavita kayla kazimierz kazuo kees keiko keith kelly kenji kenneth kerstin kevin
    khalid kim kimberly kirsten kirsty kjell klaus knud koen kristen kristin kristina kristoffer krystyna krzysztof kurt
    kyle lakshmi larissa larry lars laszlo laura lauren laurence laurent lawrence layla lea leah leandro lee leena leif
    lena lenka lennart leo leonard leonardo leonie lesley leslie leszek leticia liam lieke lily linda linnea lisa logan
    lone loredana lorena lorenzo lori lorraine lotte louie louis louise luca lucas lucia luciana luciano lucie lucien
    lucy ludmila ludovica ludwig luigi luis luisa luiz lukas lukasz luke luuk lynne maaike maarten maciej madeleine
    magdalena magnus maj malcolm malgorzata malin manfred manoel manon manuel manuela manuella marcel marcelino marcelo
    marcia marcin marcio marco marcos marcus marek margaret margareta margarita margaux margot marguerite maria mariam
    marian mariana marianna marianne marieke marijn marilyn mario mariusz markku markus marta martha martin martina
    martine mary massimo mateus mateusz mathew mathieu mats matteo matthew matthias matti mattias maud maureen maurice
    maximilian maximiliano maximo maysa megan mehmet melissa melitta mercedes merve meryem mette mia michael michal
    michel michele michelle mieczyslaw miguel mihaela mihai mikael mike mikhail mikko mila milan minna miroslav miroslaw
    misty modesto mohamed mohammed monica monika monique montserrat moritz murat murilo mustafa nancy naoko natalia
    natalie natasha nathalie nathan nayara neha neil nicanor nicholas nick nico nicolae nicolas nicole niels nigel niklas
    nikodem nikolai nils noah noelia noemie noor nora nuria octavio odd odette ole oleg olga oliver olivia olivier oliwia
    olof omar omer ornella oscar oskar osman otavio otto owen pablo paivi pamela paola paolo pascal pascual patricia
    patrick patrizia paul paulina pauline paulo pavel pawel pedro pekka per peter petr petra petri philip philippe
    phillip pia pierre piet pieter pietro piotr pirjo pooja priya prudencia przemyslaw rachel rafael rafaela rafal
    raffaele ragnhild rahul rainer raj ralf ralph ramazan ramesh ramon randy raquel raul ravi raymond rebecca reinhold
    remy renata renate rene rhys ricardo riccardo richard ricky rikke ritva robert roberta roberto robin rocco rocio
    rodolfo rodrigo roger rohan roland rolf ronald rosa rosario rosemarie ross roy ruben rudiger rudolf ruediger russell
    ryan ryszard sabine sakura salvador salvatore sam samantha sami samuel sander sandor sandra sandrine sanjay sanne
    sara sarah sari saskia satoshi scott sean sebastian sebastien sem sergei sergey sergio serife sharon shawn shirley
    siegfried sienna silje silke silvia silvio simona simone siv slawomir sofia solveig sonia sophia sophie soren
    stanislaw stanislawa stefan stefanie stefano stephane stephanie stephen steve steven stig stijn stuart suleyman
    sultan sunil sunita suresh susan susana susanne suzanne sven svetlana sylvie sylwia tadeusz takashi tamas tammy
    tatiana teresa terry theo theophile theresa thiago thibault thibaut thierry thijs thomas thorsten tiago tibor tiffany
    tim timo timothy tina tine tiziano tobias todd tom tomas tomasz tommy tomoko tor torsten tracy travis trevor tristan
    troy tuula twan tyler ugo ulf ulla ulrike umberto ursula urszula ute uwe vaclav valentin valentina valerie vanessa
    vasile vera veronica veronique vicente victor vijay viktoria ville vincent vincenzo virginie vitor vitoria vittorio
    vladimir volker waldemar walter waltraud wanda wayne wendy werner wieslaw wilhelm wilhelmina willem willi william
    willie wilma wladyslaw wojciech wolfgang wouter xavier yasmin yelena yoko yolanda yui yuki yuri yusuf yves yvonne
    zachary zainab zbigniew zdenek zdzislaw zehra zeynep zoe zofia zoltan zsolt zsuzsanna zuzanna
    """
)
FAMILY = _words(
    """
    aarts abellan aberg abrahamsson abreu adamczyk adams aguilar akhtar albrecht allen almeida alonso alvarado alvarez
    alves amato andersen andersson andrade andrews araujo arias armstrong arnaud arnold arvidsson aubert aubry axelsson
    aydin azevedo bailey bailly bakker balogh baran barbier barbieri barbosa barker barnes barone barrett barros barton
    basile battaglia bauer baumann beck becker begum bejarano bellini benedetti bengtsson benitez bennett berger berggren
    berglund bergman bergmann bergqvist bergstrom bernardi berry bertin bertrand besson bianchi bianco bibi bjork
    bjorklund blanc blanchard blom blomqvist bohm bonnet bos boucher bourgeois bouvier boyd boyer brandt bravo breton
    brooks brouwer brun brunet bryant burgess burns busch caballero cabrera caldeira calvo campbell cano caputo carbone
    cardoso carmona caron carpentier carrasco carre carroll carter caruso carvalho castillo castro cattaneo cavalcanti
    celik cerny chapman charpentier chavez chen chevalier christensen claesson clark clarke clement cole coleman colin
    collet collins colombo conte conti contreras coolen coppola correia cortes costantini cox crawford crespo cunha
    cunningham dabrowska dabrowski dahlberg damico daniels danielsson davies davis deboer degraaf degroot dehaan dejong
    dekker delgado delorme demir derosa desantis deschamps devries dewit diallo dias diaz dietrich diez dijkstra dixon
    dominguez donati duarte dubois dudek dufour dumas dumitru dumont dunn dupont dupuis dupuy duran durand duval dvorak
    edwards eklund ekstrom eliasson elliott ellis elorza engstrom eriksson esposito esteban evans fabbri fabre farina
    farkas faure fedorov ferguson fernandes fernandez ferrara ferrari ferraro ferreira ferrer ferretti ferri fischer
    fisher fleury flores fogaca fonseca fontaine fontana forsberg foster fournier franke fransson fredriksson freeman
    freitas fuchs gaillard gallardo gallego galli gallo garcia gardner garnier garrido garza gatti gauthier gautier
    gentile gentileschi germain gibson gil gimenez giordano girard giraud giuliani gomes gomez goncalves gonzales
    gonzalez gorski grabowski graf gras grassi grasso greco griffin guerin guerrero guillot gunnarsson gunther gupta
    gustafsson gutierrez guyot guzman haas hagen hahn hakansson hall hamalainen hansen hansson harris harrison hart
    hartmann haugen hawkins hayes hedlund heikkinen heinrich hellstrom henderson hendriks henriksson hermansson hernandez
    herrera herrero herrmann hicks hidalgo hoarau hodges hoekstra hoffman hoffmann hofmann holmberg holmes holmgren horak
    horvath howard huang huber hudson huet hughes huisman hunt hussain ibanez iglesias ionescu isaksson ito ivanov
    ivanova iyer jablonski jackson jacobs jacquet jager jakobsson jankowska jankowski jansen janssen jansson jarvinen
    jaworski jenkins jensen jimenez johannessen johansen johansson johnson johnston joly jones jonsson jorgensen joshi
    jung kaczmarek kaiser kaminska kaminski karlsson kato kaur kaya keller kelley kennedy khan kiss kobayashi koch
    koehler koenig kohler kok konig korhonen koskinen koster kovacs kowalczyk kowalska kowalski kozlowska kozlowski
    kramer kraus krause krawczyk kristensen krol krueger kruger kucera kuhn kuijpers kuipers kumar kuznetsov kuznetsova
    kwiatkowska kwiatkowski lacroix laine lambert langlois larsen larsson lebon lebrun leclerc leclercq lecomte lefebvre
    lefevre leger legrand lehmann lemaire lemoine lenoir leone leroux leroy lewandowska lewandowski lewis lindberg
    lindgren lindqvist lindstrom liu lloyd lofgren lombardi lombardo longo lopes lopez lorenz lozano lundberg lundgren
    lundin lundqvist lundstrom machado madsen magnusson maier maillard maillet majewski makela makinen malinowski mallet
    mancini mansvelt marchand marchetti mariani marin marini marino marques marquez marshall martensson martinelli
    martinez martini martino martins marty masson mathis matthews mattsson maxwell mayer mazur mazza mcdonald medina
    meijer menard mendes mendez mendoza mercier meunier meyer michalak michalski mikhailov milani miller millet mitchell
    moeller molina moller molnar montanari monteiro montenegro montero moore mora morales moreau moreira morel morelli
    moreno moretti morgan morin morris moura moya mueller mulder muller munoz murphy murray myers nagy nair nakamura
    nascimento navarro negri nelson nemec nemeth neri neumann nguyen nicholls nichols nielsen nieminen nieto nilsson noel
    nogueira norberg nordin nordstrom novak novakova novikov novotny nowak nowakowski nowicki nunes nunez nyberg nystrom
    oliva oliveira olofsson olsen olson olsson olszewski ortega ortiz ostrowski owens ozdemir ozturk pagano palmer
    palmieri palsson palumbo parisi parker parra pastor patel patterson pawlak pawlowski payet payne pedersen peeters
    pellegrini pellegrino pelletier pereira perez perkins perrin perrot perry persson peters petersen peterson petrov
    petrova pettersson pfeiffer phillips picard pierce pietrzak pineau pinto piotrowski pirandello piras pires pohl
    poirier popa popescu popov popova postma powell prevost prieto prins pritchard prochazka radu ramirez ramos rao rask
    rasmussen ray raynaud reddy reed renard renaud renault reyes reynolds rezende ribeiro ricci rice richards richardson
    richter riley rinaldi rivera riviere rizzi rizzo roberts robertson robinson rodrigues rodriguez rogers rojas rolland
    romano romero rosales rossetti rossi rousseau roussel roux rowe royer rubio ruggiero ruiz russo rutkowski saez sahin
    salazar samuelsson sanchez sandberg sanders sandoval sandstrom sanna santana santoro santos sanz sartori sato sauer
    schaefer schafer schmidt schmitt schneider scholz schouten schreiber schroder schroeder schubert schulte schultz
    schulz schumacher schuster schwarz sedano seidel serra serrano shah sharma shaw shields sikora silvestri simmons
    simon simpson singh sjoberg sjogren slater smirnov smirnova smit smith smits snyder soares soderberg sokolov soler
    sorensen sorrentino soto souza spencer stan stephens stepien stevens stewart stoica suarez sullivan sundell suzuki
    svensson svoboda svobodova szabo szewczyk szymanska szymanski takahashi tanaka teixeira testa thompson thomsen
    tomaszewski toro toth tran traore tucker turner valentini vandenbroek vandenheuvel vanderlinden vandermeer vanderveen
    vanleeuwen vanvliet varga vargas vasiliev vasquez vasseur vazquez vecellio veenstra velasco verhoeven verma vermeulen
    vesely vidal vieira viklund virtanen visser vitale vitali vogel vogt voigt vos wagner walczak walker wallace wallin
    wang ward warren watanabe watson weaver webb weber wells wheeler wieczorek wikstrom willems williams willis wilmont
    wilson winkler wisniewska wisniewski witkowski wojciechowski wojcik wolff wozniak wright wrobel wu yamamoto yang
    yildirim yildiz yilmaz zajac zhang zhao zhou ziegler zielinska zielinski zimmermann
    """
)
# Before and behind a name, dots gone.
TITLES = _words(
    """mr mrs ms miss dr prof sir ing dipl dipl-ing univ univprof herr frau hr fr mme m mlle sr sra srta sig dott dhr mevr mw
    pan pani doc mgr"""
)
DEGREES = _words("jr sr ii iii iv md phd dds dvm esq bsc msc ba beng mba")
PARTICLES = _words(
    """de da do dos das del della di du la le les van der den ten ter von zu zum af av y e el al bin ibn ben o' d' mac mc"""
)
# Words that no person's name has in it.
NOT_IN_NAMES = _words(
    """inc ltd llc plc gmbh ag kg co corp group company bank university school hospital hotel restaurant cafe club the and of
    for street road avenue city county state north south east west new lake port fort mount saint san santa limited sons
    und et spa srl sa sl bv nv ab oy as holding services solutions systems international global department office center
    centre park river island airport station ave st rd blvd church museum theatre library college institute"""
)
FAMILY_ENDS = (
    "sson", "sen", "ski", "ska", "cki", "cka", "wicz", "czyk", "berg", "mann", "stein", "etti", "elli", "ini", "ucci", "ez",
    "eau", "ault", "ova", "enko", "oglu", "escu", "strom", "qvist", "gren", "lund", "dottir", "idis", "opoulos", "huijs",
    "stra", "sma", "вич", "вна", "ова", "ев", "ов", "ин", "ина", "ева", "ко",
)  # fmt: skip
# Characters by which very many family names begin.
CHINESE = frozenset(
    "王李张張刘劉陈陳杨楊赵趙黄黃周吴吳徐孙孫胡朱高林何郭马馬罗羅梁宋郑鄭谢謝韩韓唐冯馮于董萧程曹袁邓鄧许許傅"
    "沈曾彭吕呂苏蘇卢盧蒋蔡贾丁魏薛叶葉阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段"
)
JAPANESE = frozenset("佐鈴高田渡伊山中小加吉松井木林清斎斉森池橋石藤岡近坂遠青福太岩三原若村")
KOREAN = frozenset("김이박최정강조윤장임한오서신권황안송류전홍고문양손배백허유남심노하곽성차주우구민")
