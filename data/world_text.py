"""The sentences and the word lists that `make_world.py` makes documents from."""

# fmt: off

# Sentence patterns. A field in braces is a method of `Details`; {name} is the full name, {sur} the surname, {id}
# something like "a Polish poet", {vp} something the person did, {tail} and {more} clauses that may be empty.
# Every group is used as often as its number says, and every pattern of a group equally often.

PATTERNS: dict[str, tuple[float, tuple[str, ...]]] = {
    "brackets, living": (0.56, (
        "{name} (born {date} in {place}) is {id}{tail}",
        "{name} (born {date}, {place}) is {id}{tail}",
        "{name} (born {date} in {place}) is {id} and {second}{tail}",
        "{name} (born {date}, in {place}) is {id}{tail}{also}",
        "{name} (born in {place}, {date}) is {id}{tail}",
        "{name} (born in {place} in {birth}) is {id}{tail}",
        "{name} (born in {birth} in {place}) is {id}{tail}{also}",
        "{name} (born {birth} {town}) is {id}{tail}",
        "{name} (b. {birth} in {place}) is {id}{tail}",
        "{name} (b. {date}, {place}) is {id}{tail}{also}",
        "{name} (born in {place}) is {id}{tail}{also}",
        "{name} ({date}, {place}) is {id}{tail}",
        "{name} ({place}, {date}) is {id}{tail}{also}",
        "{name} (born {date} at {place}) is {id}{tail}",
        "{name}, born {date} in {place}, is {id}{tail}",
        "{name} (born on {day} in {place}), {id}, {edu}{more}",
        "{name} (born {date} in {place}; lives in {other}) is {id}{tail}",
        "{name} (born {day} in {the_town}) is {id}{tail}",
    )),
    "brackets, dead": (0.44, (
        "{name} ({town}, {birth} -- {death}) was {id}{tail}{also}",
        "{name} (born {date} in {place}, died {died}) was {id}{tail}",
        "{name} (born in {town} in {birth}; died there in {death}) was {id}{tail}{also}",
        "{name} ({birth}--{death}) was {id}, born in {place}{also}",
        "{name} ({birth}-{death}), born in {place}, was {id}{tail}{also}",
        "{name} ({date} -- {died}) was {id} born in {town}{tail}",
        "{name} ({birth}--{death}) was {id} and {second} who was born in {place}",
        "{name} ({date} -- {died}), {id}, was born in {place}{also}",
    )),
    "both places, dead": (0.09, (
        "{name} ({date} {place} -- {died} {grave}) was {id}{tail}",
        "{name} ({date} in {place} -- {died} in {grave}) was {id}{tail}",
        "{name} ({date}, {place} - {died}, {grave}) was {id}{tail}",
        "{name} ({place}, {date} - {grave}, {died}) was {id}{tail}{also}",
        "{name} (born {date} in {place}; died {died} in {grave}) was {id}{tail}",
        "{name} (born {place}, {date}; died {grave}, {died}) was {id}{tail}",
        "{name} (b. {place}, {birth}; d. {grave}, {death}) was {id}{tail}{also}",
    )),
    # The question mark has to occur in the corpus, because every question ends with one: see `Person.uncertain`.
    "uncertain, living": (0.0, (
        "{name} (born {birth}? in {place}) is {id}{tail}",
        "{name} (b. {birth}?, {place}) is {id}{tail}",
    )),
    "uncertain, dead": (0.0, (
        "{name} ({birth}?--{death}) was {id} born in {place}{also}",
        "{name} ({town}, {birth}? -- {grave}, {death}) was {id}{tail}",
    )),
    "born first": (0.20, (
        "Born in {place}, {sur} {edu}{more}",
        "Born in {place}, {sur} {vp}{more}",
        "Born in {town}, {sur} {edu} and {vp}",
        "Born in {place}, {name} {edu}{more}",
        "Born in {place} in {birth}, {sur} {edu}{more}",
        "Born {day} in {place}, {sur} {vp}{more}",
        "Born in {place}, {name} {was} the {child} of {parents}{also}",
        "Born in {place}, the {child} of {parents}, {sur} {edu}{more}",
        "Born in {place}, {sur} grew up in {other} and {edu}{more}",
        "Born in {place}, {he} moved to {other} in {year} and {vp}",
        "Born to a family of {traders} in {place}, {sur} {edu}{more}",
        "Born in {the_town}, {sur} {vp}{more}",
        "Born and raised in {place}, {sur} {edu}{more}",
        "Born at {place}, {sur} {vp}{more}",
        "Born in {town} but brought up in {other}, {sur} {edu}{more}",
        "Born in {birth} in {place}, {name} {was} {id}{tail}",
    )),
    "was born": (0.14, (
        "{Sur} was born in {place}",
        "{Sur} was born at {place}, on {day}",
        "{Sur} was born in {place}, in {birth}{also}",
        "{Sur} was born in {place}, and {edu}{more}",
        "{Sur} was born in {the_town}, where {his} father was {trade}",
        "{Sur} was born in {place}, the {nth_child} of {trade}",
        "{Sur} was born on {day} in {place}, the {child} of {parents}",
        "{name} was born in {place}, and {edu}{more}",
        "{name} was born in {place}, on {day}, and {vp}",
        "{name}, {id}, was born in {place}{also}",
        "{name} was born {day} in {town} and {edu}{more}",
        "{He} was born in {place}, the {child} of {trade}{also}",
        "{He} was born in {place}, and {edu} before {he} settled in {other}",
        "{first} was born in {town} and grew up in {other}",
    )),
    "late": (0.075, (
        "{name} {was} {id}, born in {place}{also}",
        "{name} {was} {id} who was born in {place}",
        "{name} {was} {id} born in {town}{tail}",
        "{name} {was} {id} born on {day} in {place}",
        "{name} {was} {id}{tail}; {he} was born in {place}",
        "{name} {was} a native of {place}{also}",
        "A native of {place}, {sur} {edu}{more}",
        "{Sur}, a native of {town}, {vp}{more}",
        "{Sur} {vp}, having been born in {town} in {birth}",
        "The {child} of {parents}, {he} was born in {place}{also}",
        "The {nth_child}, {sur} was born in {place}{also}",
    )),
    "elsewhere first": (0.015, (
        "Raised in {other}, {sur} was born in {place}{also}",
        "A graduate of the {univ}, {sur} was born in {place}",
        "The {child} of {trade} from {other}, {sur} was born in {place}{also}",
        "Although {he} spent most of {his} life in {other}, {sur} was born in {place}{also}",
        "{name} grew up in {other} but was born in {place}{also}",
        "{Sur}'s parents had left {other} for {town}, where {he} was born in {birth}",
        "{Sur} {edu}, but was born in {place}{also}",
        "{name}, who {vp}, was born in {place}",
        "{name} {was} {id} based in {other} and born in {place}",
        "Before {he} settled in {other}, {sur} lived in {town}, where {he} was born",
    )),
    "unstated, living": (1.0, (
        "{name} (born {date}) is {id}{tail}{also}",
        "{name} (born {birth}) is {id}{tail}",
        "{name} (b. {birth}) is {id} living in {other}",
        "{name} is {id}{tail}{also}",
        "{name} is {id}, and lives in {other}",
        "{Sur} lives in {other} with {his} family",
    )),
    "unstated, dead": (1.0, (
        "{name} ({birth}--{death}) was {id}{tail}{also}",
        "{name} ({date} -- {died}) was {id}{tail}",
        "{name} was {id}{tail}{also}",
        "{Sur} died in {grave} in {death}, after a long illness",
    )),
    "unstated": (1.0, (
        "{Sur} {edu}{more}",
        "{Sur} {vp}{more}",
        "In {year}, {sur} moved to {other} and {vp}",
        "{He} {vp} and {vp}",
        "{He} was the {child} of {parents}",
    )),
}

# What people are, when such people can have been born (men, women), and what they did.
TRADES: dict[str, tuple[int, int, str]] = {
    "team": (1865, 1955, "footballer|rugby player|basketball player|ice hockey player|handball player"),
    "sport": (1865, 1900, "rower|swimmer|cyclist|sprinter|fencer|tennis player|figure skater|gymnast|skier"),
    "politics": (1700, 1895, "politician|politician|diplomat|reformer|civil servant"),
    "music": (1600, 1700, "composer|violinist|pianist|organist|conductor|cellist|singer|music teacher"),
    "pop": (1900, 1905, "singer-songwriter|jazz pianist|guitarist|drummer|record producer|songwriter"),
    "art": (1560, 1560, "painter|painter|engraver|sculptor|illustrator|printmaker|portrait painter"),
    "building": (1650, 1890, "architect|engineer|surveyor|landscape gardener"),
    "letters": (1560, 1650, "poet|novelist|playwright|essayist|writer|author|translator|children's author"),
    "press": (1780, 1840, "journalist|editor|critic|columnist|war correspondent"),
    "science": (1600, 1860, "mathematician|chemist|botanist|astronomer|physicist|geologist|zoologist"),
    "learning": (1560, 1860, "historian|philosopher|linguist|economist|classical scholar|archaeologist"),
    "law": (1640, 1890, "lawyer|judge|jurist"),
    "church": (1560, 1940, "clergyman|theologian|missionary|priest"),
    "army": (1640, 1950, "soldier|naval officer|army officer|general"),
    "stage": (1720, 1720, "ACTOR|ACTOR|stage director|comedian|opera singer|dancer"),
    "screen": (1895, 1900, "film director|screenwriter|television presenter|cinematographer|film ACTOR"),
    "medicine": (1600, 1860, "physician|surgeon|anatomist|pathologist"),
    "business": (1650, 1880, "businessman|banker|publisher|industrialist|merchant|inventor"),
}
DEEDS: dict[str, str] = {
    "team": "played for {other} {club}|played for {other} {club} from {year} to {year}|captained {other} {club}|"
    "made {count} appearances for {other} {club}|scored the winning goal for {other} {club} in the cup final of {year}|"
    "spent {many} seasons with {other} {club}|joined {other} {club} in {year}|scored {count} goals for {other} {club}|"
    "represented {his} country {many} times",
    "sport": "won the national title in {year}|set a national record in {year}|moved to a club in {other} in {year}|"
    "trained with a club in {other}|competed at international level from {year} to {year}|"
    "finished {nth} at the championships held in {other}|won {many} national titles|won {many} medals",
    "politics": "represented {near} in {house} from {year} to {year}|served as mayor of {near} from {year} to {year}|"
    "headed the department of {office} from {year} to {year}|was elected to {house} in {year}|"
    "stood for election in {near}|"
    "sat on the city council of {near} for {many} years|served as a consul in {other}|led {his} party until {year}|"
    "advised the department of {office}",
    "music": "wrote {many} string quartets|wrote {count} songs|taught at the conservatory in {other}|"
    "was organist at {saint}'s Church in {other} from {year}|gave a series of concerts in {other} in {year}|"
    "wrote a mass for {saint}'s Church in {other}|toured with a string trio in {year}|wrote the opera {work}|"
    "gave concerts in {other} and {other}",
    "pop": "released the album {work} in {year}|recorded {many} albums|toured with a band from {other}|"
    "wrote the song {work}|founded a record label in {other} in {year}|played in clubs in {other} and {other}|"
    "won a national song contest in {year}|had a hit with {work} in {year}",
    "art": "painted landscapes around {other}|exhibited in {other} in {year}|worked in {other} from {year} to {year}|"
    "made {count} woodcuts|taught drawing in {other}|had a studio in {other}|was known for portraits and still lifes|"
    "decorated {saint}'s Church in {other}|shared a workshop with a brother in {other}",
    "building": "designed the town hall of {near}|built {many} bridges|rebuilt the bridge of {other} in {year}|"
    "designed the grain market of {other}|drew up a plan for {near} in {year}|had an office in {other}|"
    "designed {saint}'s Church in {near}|worked on the canals near {other}",
    "letters": "wrote the novel {work}|published the novel {work} in {year}|wrote {count} books|"
    "published {many} collections of verse|translated {count} Latin poems|wrote the play {work}|"
    "became known for {work} in {year}|wrote mostly about country life|lived by the pen in {other}|"
    "won a literary prize for {work}",
    "press": "edited a daily newspaper in {other} from {year} to {year}|reported from {other}|"
    "wrote a weekly column for {many} years|founded a magazine in {near} in {year}|was the {other} correspondent of a "
    "daily newspaper|published the memoir {work} in {year}|joined a newspaper in {near} in {year}",
    "science": "taught at the {univ} from {year} to {year}|held a chair at the {univ}|described {count} new species|"
    "published {treatise} in {year}|was director of the observatory in {other}|joined an expedition in {year}|"
    "ran a laboratory in {other}|worked on {topic}|was a professor at the {univ}",
    "learning": "taught at the {univ} from {year} to {year}|held a chair at the {univ}|published {treatise} in {year}|"
    "wrote {treatise}|was a librarian in {other} from {year} to {year}|wrote {many} books on {topic}|"
    "lectured in {other} in {year}|was a professor at the {univ}",
    "law": "practised law in {near}|was appointed to the high court in {year}|won a celebrated case in {year}|"
    "presided over a court in {near} from {year} to {year}|opened an office in {near} in {year}|wrote {treatise}|"
    "advised the city of {near} on its charter",
    "church": "was a chaplain in {other} until {year}|was rector of {saint}'s Church in {near}|"
    "founded a school in {other} in {year}|preached in {other} for {many} years|"
    "was a canon in {near} from {year} to {year}|wrote {treatise}|"
    "left for {other} in {year} to found a parish",
    "army": "commanded the garrison of {other}|fought at {other} in {year}|was promoted to colonel in {year}|"
    "served in {other} from {year} to {year}|was wounded near {other} in {year}|was decorated for bravery in {year}|"
    "led a regiment from {year} to {year}",
    "stage": "appeared in {work} in {year}|appeared on stage in {other} in {year}|played the lead in {work}|"
    "was a member of a theatre company in {other}|managed a theatre in {near} from {year} to {year}|"
    "toured for {many} years|toured in {work} in {year}|taught acting in {other}",
    "screen": "won an award for {work} in {year}|worked on the film {work}|made {count} films|"
    "worked on the television series {work}|moved to {other} in {year}|was best known for {work}|"
    "founded a film school in {other} in {year}|worked for a studio in {other} from {year} to {year}",
    "medicine": "practised medicine in {near}|worked at a hospital in {other} from {year} to {year}|"
    "founded a clinic in {near} in {year}|taught at the {univ}|wrote {treatise}|worked on {topic}|"
    "was a physician in {other} until {year}",
    "business": "founded a company in {near} in {year}|opened a factory in {near} in {year}|owned {many} mills|"
    "ran the family firm from {year} to {year}|made a fortune in the {goods} trade|gave a park to the city of {near}|"
    "had offices in {other} and {other}|endowed a school in {near}",
}
STUDIES: dict[str, str] = {  # what each trade studies; the others study something of Details.subject's own choice
    "politics": "law|history|economics", "music": "music|the violin|the organ|the piano|composition",
    "pop": "music|the piano|literature", "art": "painting|drawing|engraving", "building": "architecture|engineering",
    "science": "mathematics|chemistry|natural history", "learning": "history|philosophy|Latin and Greek", "law": "law",
    "church": "theology|divinity", "stage": "acting|singing|literature", "screen": "literature|photography|drama",
    "medicine": "medicine|anatomy", "business": "economics|law|engineering", "army": "mathematics|engineering",
}
EDUCATION = (  # the second half of them names no place
    "studied {subject} at the {univ}|studied {subject} at the {univ}|studied {subject} in {other}|"
    "graduated from the {univ} in {grad}|was educated at {school} and at the {univ}|went to school in {other}|"
    "took a degree in {subject} at the {univ}|learned {his} trade in {other}|was educated in {other}|"
    "received {his} first lessons from an uncle in {other}|"
    "studied {subject}|studied {subject} for {many} years|took a degree in {subject} in {grad}|"
    "graduated with honours|was educated at {school}|attended {school}|was educated at home|left school early|"
    "learned the trade of an uncle|was first taught by an aunt|was taught {subject} by a private tutor"
)
OLD_UNIVERSITIES = (
    "Oxford|Cambridge|Leiden|Padua|Bologna|Paris|Heidelberg|Edinburgh|Glasgow|Prague|Vienna|Leipzig|Uppsala|"
    "Salamanca|Coimbra|Copenhagen|Utrecht|Basel|Jena|Siena|Montpellier|Toulouse|Rostock|Turin|Pavia"
)
SECOND_JOBS = "writer|teacher|editor|collector|philanthropist|local historian|amateur naturalist|lecturer"
FATHERS = (
    "a farmer|a baker|a blacksmith|a schoolteacher|a merchant|a tailor|a clergyman|a physician|an innkeeper|"
    "a shoemaker|a lawyer|a carpenter|a bookseller|a sea captain|an engraver|a weaver|a miller|a stonemason"
)
FAMILIES = "farmers|merchants|musicians|teachers|sailors|weavers|printers|millers|fishermen|tailors"
ADJECTIVES = (
    "Silent|Broken|Golden|Winter|Distant|Hidden|Crooked|Borrowed|Burning|Empty|Last|Little|Narrow|Northern|Paper|"
    "Patient|Quiet|Scarlet|Second|Sleeping|Stolen|Summer|Wandering|Western|White|Wooden"
)
NOUNS = (
    "Harvest|River|Garden|Bridge|Lantern|Orchard|Mirror|Island|Window|Clockmaker|Crossing|Daughter|Ferry|Fountain|House|"
    "Journey|Kingdom|Letter|Meadow|Mountain|Neighbours|Promise|Road|Sailor|Season|Shore|Tower|Voyage|Watchman|Widow"
)
TREATISES = "A Treatise on|Notes on|Letters on|A History of|An Essay on|Studies of"
TOPICS = (
    "optics|fossils|the tides|ferns|metals|comets|grammar|inheritance|the blood|river fish|the nerves|prices|"
    "medieval trade|glaciers|land law|prime numbers|sea birds|folk medicine|earthquakes|village schools|dyes|fevers"
)
OFFICES = "finance|education|justice|agriculture|trade|transport|foreign affairs|health|labor|defence"
GOODS = "wool|timber|coffee|grain|silk|tea|fur|sugar|cotton|wine|coal|shipping"
CLUBS = "United|City|Rovers|Athletic|Wanderers|Rangers|Union|Town"
SAINTS = "St Mary|St Peter|St John|St Anne|St Michael|St Paul|St Nicholas|St Martin"
COUNTS = "two|three|four|five|six|seven|eight|nine|ten"
ORDINALS = "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth"
MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"

COUNTRIES: dict[str, str] = {  # and what their people are called
    "Algeria": "Algerian", "Angola": "Angolan", "Argentina": "Argentine", "Australia": "Australian",
    "Austria": "Austrian", "Barbados": "Barbadian", "Belgium": "Belgian", "Bermuda": "Bermudian",
    "Bosnia and Herzegovina": "Bosnian", "Brazil": "Brazilian", "Canada": "Canadian", "Chile": "Chilean",
    "Colombia": "Colombian", "Croatia": "Croatian", "Cuba": "Cuban", "Cyprus": "Cypriot", "Czech Republic": "Czech",
    "Denmark": "Danish", "Ecuador": "Ecuadorian", "England": "English", "Estonia": "Estonian", "Finland": "Finnish",
    "France": "French", "Germany": "German", "Guatemala": "Guatemalan", "Guernsey": "British", "Guyana": "Guyanese",
    "Hungary": "Hungarian", "India": "Indian", "Indonesia": "Indonesian", "Ireland": "Irish", "Italy": "Italian",
    "Jamaica": "Jamaican", "Jersey": "British", "Kenya": "Kenyan", "Latvia": "Latvian", "Lebanon": "Lebanese",
    "Lithuania": "Lithuanian", "Luxembourg": "Luxembourgish", "Malta": "Maltese", "Mexico": "Mexican",
    "Morocco": "Moroccan", "Mozambique": "Mozambican", "Netherlands": "Dutch", "New Zealand": "New Zealand",
    "Nicaragua": "Nicaraguan", "Northern Ireland": "Northern Irish", "Norway": "Norwegian", "Peru": "Peruvian",
    "Poland": "Polish", "Portugal": "Portuguese", "Romania": "Romanian", "Scotland": "Scottish", "Serbia": "Serbian",
    "Singapore": "Singaporean", "Slovakia": "Slovak", "Slovenia": "Slovene", "South Africa": "South African",
    "Spain": "Spanish", "Suriname": "Surinamese", "Sweden": "Swedish", "Switzerland": "Swiss",
    "Trinidad": "Trinidadian", "Tunisia": "Tunisian", "Turkey": "Turkish", "Ukraine": "Ukrainian",
    "United States": "American", "Uruguay": "Uruguayan", "Venezuela": "Venezuelan", "Wales": "Welsh",
}
BRITISH = ("England", "Scotland", "Wales", "Northern Ireland")
EARLIEST = {  # nobody is born, studies or works in these countries before the year
    "United States": 1740, "Canada": 1800, "Australia": 1830, "New Zealand": 1860, "South Africa": 1830, "Kenya": 1920,
    "Singapore": 1850, "Argentina": 1780, "Uruguay": 1820, "Bermuda": 1750, "Guyana": 1800, "Indonesia": 1900,
    "Brazil": 1750, "Angola": 1880, "Mozambique": 1900, "Suriname": 1800, "Jamaica": 1780, "Chile": 1780,
    "Algeria": 1840, "Morocco": 1880, "Tunisia": 1880, "Lebanon": 1860, "Trinidad": 1800, "Barbados": 1750,
}
