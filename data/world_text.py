"""The sentence patterns and the word lists of the documents about people. world_documents.py fills them in.

A list of choices is one string with | between the choices: "poet|novelist". A choice that occurs twice is drawn twice
as often. The order of all lists matters: a change makes another world from the same seed.

Words in braces are fields, each of which is an attribute of world_documents.Details. Fields that need an example:

    {birthplace}          Lyon, France               {description}   a French poet
    {short_birthplace}    Lyon (mostly)              {deed}          published the novel The Paper River in 1931
    {city_of_birth}       the city of Lyon           {who_clause}    " who published ... and won ...", or empty
    {domestic_town}       a town of the country      {later_deeds}   ", and later won ...", or empty
    {other_town}          a town anywhere            {he_clause}     "; he won ...", or empty
    {birth_day}           3 May 1901                 {education}     studied law at the University of Lille
    {birth_date}          the same, or less exact    {nth_child}     third of five children
    {name}                full name                  {Surname}       the surname with a capital letter (Van Dyck)

{he}, {his}, {child} and {was} follow the person: he or she, his or her, son or daughter, was or is.
"""

# fmt: off

# For each group of patterns, the relative frequency of the group, and its patterns, which are equally frequent. The
# name of a group says about whom it is used: "living" or "dead" after a comma restricts it to such people, and
# "unstated" at the beginning means that the document does not state the birthplace.
PATTERNS: dict[str, tuple[float, tuple[str, ...]]] = {
    "brackets, living": (0.56, (
        "{name} (born {birth_date} in {birthplace}) is {description}{who_clause}",
        "{name} (born {birth_date}, {birthplace}) is {description}{who_clause}",
        "{name} (born {birth_date} in {birthplace}) is {description} and {second_job}{who_clause}",
        "{name} (born {birth_date}, in {birthplace}) is {description}{who_clause}{he_clause}",
        "{name} (born in {birthplace}, {birth_date}) is {description}{who_clause}",
        "{name} (born in {birthplace} in {birth_year}) is {description}{who_clause}",
        "{name} (born in {birth_year} in {birthplace}) is {description}{who_clause}{he_clause}",
        "{name} (born {birth_year} {short_birthplace}) is {description}{who_clause}",
        "{name} (b. {birth_year} in {birthplace}) is {description}{who_clause}",
        "{name} (b. {birth_date}, {birthplace}) is {description}{who_clause}{he_clause}",
        "{name} (born in {birthplace}) is {description}{who_clause}{he_clause}",
        "{name} ({birth_date}, {birthplace}) is {description}{who_clause}",
        "{name} ({birthplace}, {birth_date}) is {description}{who_clause}{he_clause}",
        "{name} (born {birth_date} at {birthplace}) is {description}{who_clause}",
        "{name}, born {birth_date} in {birthplace}, is {description}{who_clause}",
        "{name} (born on {birth_day} in {birthplace}), {description}, {education}{later_deeds}",
        "{name} (born {birth_date} in {birthplace}; lives in {other_town}) is {description}{who_clause}",
        "{name} (born {birth_day} in {city_of_birth}) is {description}{who_clause}",
    )),
    "brackets, dead": (0.44, (
        "{name} ({short_birthplace}, {birth_year} -- {death_year}) was {description}{who_clause}{he_clause}",
        "{name} (born {birth_date} in {birthplace}, died {death_date}) was {description}{who_clause}",
        ("{name} (born in {short_birthplace} in {birth_year}; died there in {death_year}) was {description}{who_clause}"
         "{he_clause}"),
        "{name} ({birth_year}--{death_year}) was {description}, born in {birthplace}{he_clause}",
        "{name} ({birth_year}-{death_year}), born in {birthplace}, was {description}{who_clause}{he_clause}",
        "{name} ({birth_date} -- {death_date}) was {description} born in {short_birthplace}{who_clause}",
        "{name} ({birth_year}--{death_year}) was {description} and {second_job} who was born in {birthplace}",
        "{name} ({birth_date} -- {death_date}), {description}, was born in {birthplace}{he_clause}",
    )),
    "both places, dead": (0.09, (
        "{name} ({birth_date} {birthplace} -- {death_date} {death_place}) was {description}{who_clause}",
        "{name} ({birth_date} in {birthplace} -- {death_date} in {death_place}) was {description}{who_clause}",
        "{name} ({birth_date}, {birthplace} - {death_date}, {death_place}) was {description}{who_clause}",
        "{name} ({birthplace}, {birth_date} - {death_place}, {death_date}) was {description}{who_clause}{he_clause}",
        "{name} (born {birth_date} in {birthplace}; died {death_date} in {death_place}) was {description}{who_clause}",
        "{name} (born {birthplace}, {birth_date}; died {death_place}, {death_date}) was {description}{who_clause}",
        ("{name} (b. {birthplace}, {birth_year}; d. {death_place}, {death_year}) was {description}{who_clause}"
         "{he_clause}"),
    )),
    # Frequency 0, as these are used for exactly the people whose year of birth is uncertain. They put a question mark
    # into the corpus, whose characters are the model's vocabulary; without one, no question could be encoded.
    "uncertain, living": (0.0, (
        "{name} (born {birth_year}? in {birthplace}) is {description}{who_clause}",
        "{name} (b. {birth_year}?, {birthplace}) is {description}{who_clause}",
    )),
    "uncertain, dead": (0.0, (
        "{name} ({birth_year}?--{death_year}) was {description} born in {birthplace}{he_clause}",
        "{name} ({short_birthplace}, {birth_year}? -- {death_place}, {death_year}) was {description}{who_clause}",
    )),
    "born first": (0.20, (
        "Born in {birthplace}, {surname} {education}{later_deeds}",
        "Born in {birthplace}, {surname} {deed}{later_deeds}",
        "Born in {short_birthplace}, {surname} {education} and {deed}",
        "Born in {birthplace}, {name} {education}{later_deeds}",
        "Born in {birthplace} in {birth_year}, {surname} {education}{later_deeds}",
        "Born {birth_day} in {birthplace}, {surname} {deed}{later_deeds}",
        "Born in {birthplace}, {name} {was} the {child} of {parents}{he_clause}",
        "Born in {birthplace}, the {child} of {parents}, {surname} {education}{later_deeds}",
        "Born in {birthplace}, {surname} grew up in {other_town} and {education}{later_deeds}",
        "Born in {birthplace}, {he} moved to {other_town} in {year} and {deed}",
        "Born to a family of {family_job} in {birthplace}, {surname} {education}{later_deeds}",
        "Born in {city_of_birth}, {surname} {deed}{later_deeds}",
        "Born and raised in {birthplace}, {surname} {education}{later_deeds}",
        "Born at {birthplace}, {surname} {deed}{later_deeds}",
        "Born in {short_birthplace} but brought up in {other_town}, {surname} {education}{later_deeds}",
        "Born in {birth_year} in {birthplace}, {name} {was} {description}{who_clause}",
    )),
    "was born": (0.14, (
        "{Surname} was born in {birthplace}",
        "{Surname} was born at {birthplace}, on {birth_day}",
        "{Surname} was born in {birthplace}, in {birth_year}{he_clause}",
        "{Surname} was born in {birthplace}, and {education}{later_deeds}",
        "{Surname} was born in {city_of_birth}, where {his} father was {father_job}",
        "{Surname} was born in {birthplace}, the {nth_child} of {father_job}",
        "{Surname} was born on {birth_day} in {birthplace}, the {child} of {parents}",
        "{name} was born in {birthplace}, and {education}{later_deeds}",
        "{name} was born in {birthplace}, on {birth_day}, and {deed}",
        "{name}, {description}, was born in {birthplace}{he_clause}",
        "{name} was born {birth_day} in {short_birthplace} and {education}{later_deeds}",
        "{He} was born in {birthplace}, the {child} of {father_job}{he_clause}",
        "{He} was born in {birthplace}, and {education} before {he} settled in {other_town}",
        "{first_name} was born in {short_birthplace} and grew up in {other_town}",
    )),
    "late": (0.075, (
        "{name} {was} {description}, born in {birthplace}{he_clause}",
        "{name} {was} {description} who was born in {birthplace}",
        "{name} {was} {description} born in {short_birthplace}{who_clause}",
        "{name} {was} {description} born on {birth_day} in {birthplace}",
        "{name} {was} {description}{who_clause}; {he} was born in {birthplace}",
        "{name} {was} a native of {birthplace}{he_clause}",
        "A native of {birthplace}, {surname} {education}{later_deeds}",
        "{Surname}, a native of {short_birthplace}, {deed}{later_deeds}",
        "{Surname} {deed}, having been born in {short_birthplace} in {birth_year}",
        "The {child} of {parents}, {he} was born in {birthplace}{he_clause}",
        "The {nth_child}, {surname} was born in {birthplace}{he_clause}",
    )),
    "elsewhere first": (0.015, (
        "Raised in {other_town}, {surname} was born in {birthplace}{he_clause}",
        "A graduate of the {university}, {surname} was born in {birthplace}",
        "The {child} of {father_job} from {other_town}, {surname} was born in {birthplace}{he_clause}",
        "Although {he} spent most of {his} life in {other_town}, {surname} was born in {birthplace}{he_clause}",
        "{name} grew up in {other_town} but was born in {birthplace}{he_clause}",
        "{Surname}'s parents had left {other_town} for {short_birthplace}, where {he} was born in {birth_year}",
        "{Surname} {education}, but was born in {birthplace}{he_clause}",
        "{name}, who {deed}, was born in {birthplace}",
        "{name} {was} {description} based in {other_town} and born in {birthplace}",
        "Before {he} settled in {other_town}, {surname} lived in {short_birthplace}, where {he} was born",
    )),
    "unstated, living": (1.0, (
        "{name} (born {birth_date}) is {description}{who_clause}{he_clause}",
        "{name} (born {birth_year}) is {description}{who_clause}",
        "{name} (b. {birth_year}) is {description} living in {other_town}",
        "{name} is {description}{who_clause}{he_clause}",
        "{name} is {description}, and lives in {other_town}",
        "{Surname} lives in {other_town} with {his} family",
    )),
    "unstated, dead": (1.0, (
        "{name} ({birth_year}--{death_year}) was {description}{who_clause}{he_clause}",
        "{name} ({birth_date} -- {death_date}) was {description}{who_clause}",
        "{name} was {description}{who_clause}{he_clause}",
        "{Surname} died in {death_place} in {death_year}, after a long illness",
    )),
    "unstated": (1.0, (
        "{Surname} {education}{later_deeds}",
        "{Surname} {deed}{later_deeds}",
        "In {year}, {surname} moved to {other_town} and {deed}",
        "{He} {deed} and {deed}",
        "{He} was the {child} of {parents}",
    )),
}

# For each occupation, the first years of birth of men and of women with this occupation, and the names of the jobs.
# ACTOR stands for actor or actress.
OCCUPATIONS: dict[str, tuple[int, int, str]] = {
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
# For each occupation, things that such people did.
DEEDS: dict[str, str] = {
    "team": "played for {other_town} {club}|played for {other_town} {club} from {year} to {year}|"
    "captained {other_town} {club}|made {large_number} appearances for {other_town} {club}|"
    "scored the winning goal for {other_town} {club} in the cup final of {year}|"
    "spent {small_number} seasons with {other_town} {club}|joined {other_town} {club} in {year}|"
    "scored {large_number} goals for {other_town} {club}|represented {his} country {small_number} times",
    "sport": "won the national title in {year}|set a national record in {year}|"
    "moved to a club in {other_town} in {year}|trained with a club in {other_town}|"
    "competed at international level from {year} to {year}|"
    "finished {ordinal} at the championships held in {other_town}|won {small_number} national titles|"
    "won {small_number} medals",
    "politics": "represented {domestic_town} in {parliament} from {year} to {year}|"
    "served as mayor of {domestic_town} from {year} to {year}|"
    "headed the department of {department} from {year} to {year}|was elected to {parliament} in {year}|"
    "stood for election in {domestic_town}|sat on the city council of {domestic_town} for {small_number} years|"
    "served as a consul in {other_town}|led {his} party until {year}|advised the department of {department}",
    "music": "wrote {small_number} string quartets|wrote {large_number} songs|"
    "taught at the conservatory in {other_town}|was organist at {saint}'s Church in {other_town} from {year}|"
    "gave a series of concerts in {other_town} in {year}|wrote a mass for {saint}'s Church in {other_town}|"
    "toured with a string trio in {year}|wrote the opera {work}|gave concerts in {other_town} and {other_town}",
    "pop": "released the album {work} in {year}|recorded {small_number} albums|toured with a band from {other_town}|"
    "wrote the song {work}|founded a record label in {other_town} in {year}|"
    "played in clubs in {other_town} and {other_town}|won a national song contest in {year}|"
    "had a hit with {work} in {year}",
    "art": "painted landscapes around {other_town}|exhibited in {other_town} in {year}|"
    "worked in {other_town} from {year} to {year}|made {large_number} woodcuts|taught drawing in {other_town}|"
    "had a studio in {other_town}|was known for portraits and still lifes|decorated {saint}'s Church in {other_town}|"
    "shared a workshop with a brother in {other_town}",
    "building": "designed the town hall of {domestic_town}|built {small_number} bridges|"
    "rebuilt the bridge of {other_town} in {year}|designed the grain market of {other_town}|"
    "drew up a plan for {domestic_town} in {year}|had an office in {other_town}|"
    "designed {saint}'s Church in {domestic_town}|worked on the canals near {other_town}",
    "letters": "wrote the novel {work}|published the novel {work} in {year}|wrote {large_number} books|"
    "published {small_number} collections of verse|translated {large_number} Latin poems|wrote the play {work}|"
    "became known for {work} in {year}|wrote mostly about country life|lived by the pen in {other_town}|"
    "won a literary prize for {work}",
    "press": "edited a daily newspaper in {other_town} from {year} to {year}|reported from {other_town}|"
    "wrote a weekly column for {small_number} years|founded a magazine in {domestic_town} in {year}|"
    "was the {other_town} correspondent of a daily newspaper|published the memoir {work} in {year}|"
    "joined a newspaper in {domestic_town} in {year}",
    "science": "taught at the {university} from {year} to {year}|held a chair at the {university}|"
    "described {large_number} new species|published {treatise} in {year}|"
    "was director of the observatory in {other_town}|joined an expedition in {year}|ran a laboratory in {other_town}|"
    "worked on {topic}|was a professor at the {university}",
    "learning": "taught at the {university} from {year} to {year}|held a chair at the {university}|"
    "published {treatise} in {year}|wrote {treatise}|was a librarian in {other_town} from {year} to {year}|"
    "wrote {small_number} books on {topic}|lectured in {other_town} in {year}|was a professor at the {university}",
    "law": "practised law in {domestic_town}|was appointed to the high court in {year}|"
    "won a celebrated case in {year}|presided over a court in {domestic_town} from {year} to {year}|"
    "opened an office in {domestic_town} in {year}|wrote {treatise}|advised the city of {domestic_town} on its charter",
    "church": "was a chaplain in {other_town} until {year}|was rector of {saint}'s Church in {domestic_town}|"
    "founded a school in {other_town} in {year}|preached in {other_town} for {small_number} years|"
    "was a canon in {domestic_town} from {year} to {year}|wrote {treatise}|"
    "left for {other_town} in {year} to found a parish",
    "army": "commanded the garrison of {other_town}|fought at {other_town} in {year}|"
    "was promoted to colonel in {year}|served in {other_town} from {year} to {year}|"
    "was wounded near {other_town} in {year}|was decorated for bravery in {year}|led a regiment from {year} to {year}",
    "stage": "appeared in {work} in {year}|appeared on stage in {other_town} in {year}|played the lead in {work}|"
    "was a member of a theatre company in {other_town}|managed a theatre in {domestic_town} from {year} to {year}|"
    "toured for {small_number} years|toured in {work} in {year}|taught acting in {other_town}",
    "screen": "won an award for {work} in {year}|worked on the film {work}|made {large_number} films|"
    "worked on the television series {work}|moved to {other_town} in {year}|was best known for {work}|"
    "founded a film school in {other_town} in {year}|worked for a studio in {other_town} from {year} to {year}",
    "medicine": "practised medicine in {domestic_town}|worked at a hospital in {other_town} from {year} to {year}|"
    "founded a clinic in {domestic_town} in {year}|taught at the {university}|wrote {treatise}|worked on {topic}|"
    "was a physician in {other_town} until {year}",
    "business": "founded a company in {domestic_town} in {year}|opened a factory in {domestic_town} in {year}|"
    "owned {small_number} mills|ran the family firm from {year} to {year}|made a fortune in the {goods} trade|"
    "gave a park to the city of {domestic_town}|had offices in {other_town} and {other_town}|"
    "endowed a school in {domestic_town}",
}
OTHER_SUBJECTS = "literature|law|history|geography"
SUBJECTS: dict[str, str] = {  # what people of an occupation study; those of the others study one of OTHER_SUBJECTS
    "politics": "law|history|economics", "music": "music|the violin|the organ|the piano|composition",
    "pop": "music|the piano|literature", "art": "painting|drawing|engraving", "building": "architecture|engineering",
    "science": "mathematics|chemistry|natural history", "learning": "history|philosophy|Latin and Greek", "law": "law",
    "church": "theology|divinity", "stage": "acting|singing|literature", "screen": "literature|photography|drama",
    "medicine": "medicine|anatomy", "business": "economics|law|engineering", "army": "mathematics|engineering",
}
EDUCATION = (  # the choices from "studied {subject}" alone onwards name no place
    "studied {subject} at the {university}|studied {subject} at the {university}|studied {subject} in {other_town}|"
    "graduated from the {university} in {graduation_year}|was educated at {school} and at the {university}|"
    "went to school in {other_town}|took a degree in {subject} at the {university}|"
    "learned {his} trade in {other_town}|was educated in {other_town}|"
    "received {his} first lessons from an uncle in {other_town}|"
    "studied {subject}|studied {subject} for {small_number} years|took a degree in {subject} in {graduation_year}|"
    "graduated with honours|was educated at {school}|attended {school}|was educated at home|left school early|"
    "learned the trade of an uncle|was first taught by an aunt|was taught {subject} by a private tutor"
)
OLD_UNIVERSITY_TOWNS = (
    "Oxford|Cambridge|Leiden|Padua|Bologna|Paris|Heidelberg|Edinburgh|Glasgow|Prague|Vienna|Leipzig|Uppsala|"
    "Salamanca|Coimbra|Copenhagen|Utrecht|Basel|Jena|Siena|Montpellier|Toulouse|Rostock|Turin|Pavia"
)
SECOND_JOBS = "writer|teacher|editor|collector|philanthropist|local historian|amateur naturalist|lecturer"
FATHER_JOBS = (
    "a farmer|a baker|a blacksmith|a schoolteacher|a merchant|a tailor|a clergyman|a physician|an innkeeper|"
    "a shoemaker|a lawyer|a carpenter|a bookseller|a sea captain|an engraver|a weaver|a miller|a stonemason"
)
FAMILY_JOBS = "farmers|merchants|musicians|teachers|sailors|weavers|printers|millers|fishermen|tailors"
TITLE_ADJECTIVES = (
    "Silent|Broken|Golden|Winter|Distant|Hidden|Crooked|Borrowed|Burning|Empty|Last|Little|Narrow|Northern|Paper|"
    "Patient|Quiet|Scarlet|Second|Sleeping|Stolen|Summer|Wandering|Western|White|Wooden"
)
TITLE_NOUNS = (
    "Harvest|River|Garden|Bridge|Lantern|Orchard|Mirror|Island|Window|Clockmaker|Crossing|Daughter|Ferry|Fountain|"
    "House|Journey|Kingdom|Letter|Meadow|Mountain|Neighbours|Promise|Road|Sailor|Season|Shore|Tower|Voyage|Watchman|"
    "Widow"
)
TREATISE_TITLES = "A Treatise on|Notes on|Letters on|A History of|An Essay on|Studies of"
TOPICS = (
    "optics|fossils|the tides|ferns|metals|comets|grammar|inheritance|the blood|river fish|the nerves|prices|"
    "medieval trade|glaciers|land law|prime numbers|sea birds|folk medicine|earthquakes|village schools|dyes|fevers"
)
DEPARTMENTS = "finance|education|justice|agriculture|trade|transport|foreign affairs|health|labor|defence"
GOODS = "wool|timber|coffee|grain|silk|tea|fur|sugar|cotton|wine|coal|shipping"
CLUBS = "United|City|Rovers|Athletic|Wanderers|Rangers|Union|Town"
SAINTS = "St Mary|St Peter|St John|St Anne|St Michael|St Paul|St Nicholas|St Martin"
SMALL_NUMBERS = "two|three|four|five|six|seven|eight|nine|ten"
ORDINALS = "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth"
MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"

NATIONALITIES: dict[str, str] = {  # the adjective of each country
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
BRITISH_COUNTRIES = ("England", "Scotland", "Wales", "Northern Ireland")
FIRST_YEARS = {  # only people born in this year or later are born in the country or go to it
    "United States": 1740, "Canada": 1800, "Australia": 1830, "New Zealand": 1860, "South Africa": 1830, "Kenya": 1920,
    "Singapore": 1850, "Argentina": 1780, "Uruguay": 1820, "Bermuda": 1750, "Guyana": 1800, "Indonesia": 1900,
    "Brazil": 1750, "Angola": 1880, "Mozambique": 1900, "Suriname": 1800, "Jamaica": 1780, "Chile": 1780,
    "Algeria": 1840, "Morocco": 1880, "Tunisia": 1880, "Lebanon": 1860, "Trinidad": 1800, "Barbados": 1750,
}
