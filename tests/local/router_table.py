"""Utterances for the router's evaluation, with the tool that each is meant for.

Every table holds `(utterance, wanted)`, `wanted` being a tool's name or None. The thresholds were
chosen on `DEMO_DEV` and the other tool sets. `DEMO_SECOND` scored 68 of 73 at first sight and 71
after two rules were mended for what it showed. `DEMO_UNSEEN` was written last, scored, and nothing
was changed for it. Some lines are what a speech recogniser makes of the sentence, with its
mistakes.
"""

from __future__ import annotations

WEATHER = "get_weather"
LAMP = "set_lamp"
TECH = "transfer_to_techsupport"
SALES = "transfer_to_sales"

DEMO_DEV: tuple[tuple[str, str | None], ...] = (
    ("What is the weather like?", WEATHER),
    ("What's the weather in Paris?", WEATHER),
    ("How is the weather today in London?", WEATHER),
    ("what's the whether like in berlin", WEATHER),
    ("Is it raining in Seattle?", WEATHER),
    ("Will it rain tomorrow?", WEATHER),
    ("Do I need an umbrella today?", WEATHER),
    ("How hot is it in Madrid?", WEATHER),
    ("How cold is it outside?", WEATHER),
    ("What's the temperature in Oslo?", WEATHER),
    ("Tell me the weather forecast for Chicago.", WEATHER),
    ("Weather in New York", WEATHER),
    ("What is the weather in San Francisco right now?", WEATHER),
    ("Could you check the weather in Tokyo please?", WEATHER),
    ("Give me the current weather for Rome.", WEATHER),
    ("Is it sunny in Lisbon?", WEATHER),
    ("Is it snowing in Denver?", WEATHER),
    ("What is the forecast for tomorrow?", WEATHER),
    ("what is the weather lake", WEATHER),
    ("What's the weather look like?", WEATHER),
    ("How's the weather?", WEATHER),
    ("I would like to know the weather in Vienna.", WEATHER),
    ("what the weather in boston", WEATHER),
    ("Is it going to be windy in Dublin?", WEATHER),
    ("What are the temperatures in Helsinki like?", WEATHER),
    ("Turn on the living room lamp.", LAMP),
    ("Turn off the lamp in the kitchen.", LAMP),
    ("Switch on the bedroom light.", LAMP),
    ("Switch the lights off.", LAMP),
    ("Lights on.", LAMP),
    ("Please turn the bathroom lamp off.", LAMP),
    ("turn on the leaving room lamb", LAMP),
    ("Turn on the living room lab.", LAMP),
    ("Can you turn on the light in the hall?", LAMP),
    ("Turn the lamp on in the office.", LAMP),
    ("Kitchen lights off please", LAMP),
    ("Put the light on in the bedroom.", LAMP),
    ("Make it bright in the living room.", LAMP),
    ("Turn out the lights.", LAMP),
    ("Set the dining room lamp to on.", LAMP),
    ("I want the garage lamp off.", LAMP),
    ("Would you switch off the hallway lamp?", LAMP),
    ("Lamp off in the study.", LAMP),
    ("Turn of the bedroom lamp.", LAMP),
    ("Turn on the lights in the basement.", LAMP),
    ("My internet connection does not work.", TECH),
    ("I have a technical problem.", TECH),
    ("The app keeps crashing.", TECH),
    ("I can't log in to my account, it shows an error.", TECH),
    ("How much does it cost?", SALES),
    ("What is the price of the premium plan?", SALES),
    ("I have a question about your prices.", SALES),
    ("Book a room.", None),
    ("Two people.", None),
    ("How old is the Brooklyn Bridge?", None),
    ("How own is the Brooklyn Bridge?", None),
    ("Mountain View.", None),
    ("Go forward ten meters.", None),
    ("Book a table for four.", None),
    ("Play some music.", None),
    ("What time is it?", None),
    ("How many rooms do you have?", None),
    ("Tell me about lamp post history.", None),
    ("Tell me a joke.", None),
    ("Set an alarm for seven.", None),
    ("What is the capital of France?", None),
    ("Call my mother.", None),
    ("Who won the game last night?", None),
    ("How far is the moon?", None),
    ("What is two plus two?", None),
    ("Send a message to John.", None),
    ("Open the front door.", None),
    ("Turn left at the corner.", None),
    ("Turn up the volume.", None),
    ("Where is the nearest restaurant?", None),
    ("I would like a coffee.", None),
    ("Translate good morning into Spanish.", None),
    ("And so my fellow Americans ask not what your country can do for you.", None),
    ("He was not an ill-disposed young man.", None),
    ("The child almost hurt the small dog.", None),
    ("At that high level the air is pure.", None),
    ("In 1813.", None),
    ("Seven.", None),
    ("Yes.", None),
    ("Stop.", None),
    ("Add milk to my shopping list.", None),
    ("Remind me to buy bread.", None),
    ("What's on television tonight?", None),
    ("Who wrote Hamlet?", None),
    ("Do you speak German?", None),
    ("Mary had a little lamb.", None),
    ("I do not know whether he will come.", None),
)

DEMO_SECOND: tuple[tuple[str, str | None], ...] = (
    ("What is the weather going to be in Amsterdam?", WEATHER),
    ("Do you know what the weather is like in Cairo?", WEATHER),
    ("what's the weather like today", WEATHER),
    ("Show me the weather.", WEATHER),
    ("Current weather Munich", WEATHER),
    ("How warm is it in Barcelona today?", WEATHER),
    ("Is it cold in Moscow?", WEATHER),
    ("Will it snow in Toronto this weekend?", WEATHER),
    ("Is there rain coming to Portland?", WEATHER),
    ("What's the temperature outside?", WEATHER),
    ("should i bring a raincoat", WEATHER),
    ("what is the wether in sydney", WEATHER),
    ("Tell me what the weather is in Mountain View.", WEATHER),
    ("What kind of weather are we having?", WEATHER),
    ("How many degrees is it in Athens?", WEATHER),
    ("Get me the weather report for Dallas.", WEATHER),
    ("Is it nice out in Nice?", WEATHER),
    ("Turn the living room lamp off.", LAMP),
    ("Turn on the lamp.", LAMP),
    ("Turn off all the lights.", LAMP),
    ("Switch on the kitchen lamp please.", LAMP),
    ("turn on the bed room light", LAMP),
    ("Turn on the living room land.", LAMP),
    ("Light in the bathroom on.", LAMP),
    ("Could you please switch the bedroom lamp on?", LAMP),
    ("Turn the lights on in the children's room.", LAMP),
    ("Switch off the lamp in the guest room.", LAMP),
    ("It's too dark in the kitchen, turn the lamp on.", LAMP),
    ("Lights out in the garage.", LAMP),
    ("Shut off the light in the attic.", LAMP),
    ("Turn down the living room lamp to off", LAMP),
    ("Hey, turn on the desk lamp.", LAMP),
    ("turn on living room lamp", LAMP),
    ("set bedroom light state to off", LAMP),
    ("My computer is broken, I need technical support.", TECH),
    ("I need help, my device does not start.", TECH),
    ("What would it cost me per month?", SALES),
    ("Do you offer discounts on the price?", SALES),
    ("Book a flight to Paris.", None),
    ("I need a hotel room for two nights.", None),
    ("Reserve a meeting room for tomorrow at three.", None),
    ("Three people at eight o'clock.", None),
    ("What day is it today?", None),
    ("What is the population of Tokyo?", None),
    ("How tall is the Eiffel Tower?", None),
    ("Who is the president of the United States?", None),
    ("Play the next song.", None),
    ("Stop the music.", None),
    ("Turn right and go straight ahead.", None),
    ("Go back five steps.", None),
    ("Turn on the television.", None),
    ("What's the news today?", None),
    ("Where is London?", None),
    ("Order a pizza.", None),
    ("How do I cook rice?", None),
    ("Sing me a song.", None),
    ("What's your favourite colour?", None),
    ("The room has four walls.", None),
    ("New York.", None),
    ("Please call Stella.", None),
    ("What joy there is in living.", None),
    ("He might even have been made amiable himself.", None),
    ("The birch canoe slid on the smooth planks.", None),
    ("Thank you for watching!", None),
    ("Is the museum open today?", None),
    ("When does the train leave?", None),
    ("How do I get to the airport?", None),
    ("Read my emails.", None),
    ("What is the meaning of life?", None),
    ("Cancel my appointment.", None),
    ("Start a timer for ten minutes.", None),
    ("How many people live here?", None),
    ("Take a picture.", None),
)


DEMO_UNSEEN: tuple[tuple[str, str | None], ...] = (
    ("What will the weather be like tomorrow in Lyon?", WEATHER),
    ("Can you tell me the weather please?", WEATHER),
    ("Is it raining right now?", WEATHER),
    ("how's the weather in los angeles", WEATHER),
    ("What's it like outside?", WEATHER),
    ("Any chance of rain in Glasgow?", WEATHER),
    ("Weather report for Zurich please.", WEATHER),
    ("What is the weather like in Mountain View?", WEATHER),
    ("what is the weather light", WEATHER),
    ("Will it be sunny on Saturday?", WEATHER),
    ("Is there going to be a storm in Miami?", WEATHER),
    ("Switch the living room lamp on.", LAMP),
    ("Please turn off the light.", LAMP),
    ("Turn off the living room lamp.", LAMP),
    ("Can you switch the lamp in the bedroom off?", LAMP),
    ("turn on the kitchen lap", LAMP),
    ("turn on the living room lamb", LAMP),
    ("All lights off.", LAMP),
    ("Put the lamp on.", LAMP),
    ("Switch the hall light to on.", LAMP),
    ("I'd like the light in the nursery on.", LAMP),
    ("Turn the light off in here.", LAMP),
    ("Something is broken, can I talk to technical support?", TECH),
    ("How expensive is it?", SALES),
    ("Book me a taxi.", None),
    ("Table for two at seven please.", None),
    ("Reserve a room.", None),
    ("Four adults and one child.", None),
    ("How high is Mount Everest?", None),
    ("How old are you?", None),
    ("When was the Golden Gate Bridge built?", None),
    ("San Francisco.", None),
    ("Go left.", None),
    ("Turn around.", None),
    ("Move ten meters to the right.", None),
    ("Open the window.", None),
    ("Close the garage.", None),
    ("Turn off the radio.", None),
    ("What's the traffic like?", None),
    ("What is the score?", None),
    ("Who are you?", None),
    ("Nine.", None),
    ("No.", None),
    ("Repeat that.", None),
    ("The stale smell of old beer lingers.", None),
    ("A cold dip restores health and zest.", None),
    ("It is easy to tell the depth of a well.", None),
    ("Glue the sheet to the dark blue background.", None),
    ("Where are my keys?", None),
    ("How long does it take to get to Boston?", None),
    ("I want to watch a film.", None),
    ("Find me a cheap hotel in Berlin.", None),
    ("Schedule a meeting with Anna on Monday.", None),
    ("What's for dinner?", None),
)


def _function(
    name: str, description: str, properties: dict[str, object], required: list[str] | None = None
) -> dict[str, object]:
    return {
        "type": "function",
        "name": name,
        "description": description,
        "parameters": {
            "type": "object",
            "properties": properties,
            "required": list(properties) if required is None else required,
            "additionalProperties": False,
        },
    }


def _handoff(agent: str, condition: str) -> dict[str, object]:
    return _function(
        f"transfer_to_{agent.lower()}",
        f"Hand over to {agent}. Use when: {condition}",
        {},
    )


_STRING: dict[str, object] = {"type": "string"}

DEMO_TOOLS: tuple[dict[str, object], ...] = (
    _function(
        "get_weather",
        "Current weather for a place.",
        {"location": {"type": "string", "description": "City name."}},
    ),
    _function(
        "set_lamp",
        "Switch a lamp in a room on or off.",
        {
            "room": {"type": "string", "description": "Name of the room."},
            "state": {"type": "string", "enum": ["on", "off"], "description": "Wanted state."},
        },
    ),
    _handoff("TechSupport", "Technical issues"),
    _handoff("Sales", "Questions about prices"),
)

SHOP_TOOLS: tuple[dict[str, object], ...] = (
    _function(
        "lookup_order",
        "Find an order by its number and tell its shipping status.",
        {"order_id": {"type": "string", "description": "Order number."}},
    ),
    _function(
        "cancel_order",
        "Cancel an order that has not been shipped.",
        {"order_id": {"type": "string", "description": "Order number."}},
    ),
    _function(
        "store_hours",
        "Opening hours of a store.",
        {"city": {"type": "string", "description": "City of the store."}},
    ),
)

SHOP_CASES: tuple[tuple[str, str | None], ...] = (
    ("Where is my order?", "lookup_order"),
    ("What is the status of order 4 7 1 1?", "lookup_order"),
    ("Has my package been shipped?", "lookup_order"),
    ("I want to cancel my order.", "cancel_order"),
    ("Please cancel order number 12.", "cancel_order"),
    ("When do you open in Boston?", "store_hours"),
    ("What are the opening hours of the shop?", "store_hours"),
    ("Is the store in Leeds open on Sunday?", "store_hours"),
    ("Tell me a joke.", None),
    ("Turn on the lamp.", None),
    ("What is the weather like?", None),
    ("Play some music.", None),
    ("How old is the Brooklyn Bridge?", None),
    ("Go forward ten meters.", None),
)

CLOCK_TOOLS: tuple[dict[str, object], ...] = (
    _function("get_time", "The time of day in a city.", {"city": _STRING}, []),
    _function(
        "start_timer",
        "Start a countdown timer.",
        {"minutes": {"type": "integer", "description": "Length in minutes.", "minimum": 1}},
    ),
    _function(
        "play_music",
        "Play music by an artist or of a genre.",
        {"query": {"type": "string", "description": "Artist, song or genre."}},
    ),
    _function(
        "set_volume",
        "Set the speaker volume.",
        {"percent": {"type": "integer", "minimum": 0, "maximum": 100}},
    ),
)

CLOCK_CASES: tuple[tuple[str, str | None], ...] = (
    ("What time is it?", "get_time"),
    ("What time is it in Tokyo?", "get_time"),
    ("Tell me the time.", "get_time"),
    ("Start a timer for ten minutes.", "start_timer"),
    ("Set a timer for 25 minutes.", "start_timer"),
    ("Play some jazz.", "play_music"),
    ("I want to hear a song by Nina Simone.", "play_music"),
    ("Put on some music.", "play_music"),
    ("Set the volume to fifty percent.", "set_volume"),
    ("Turn the volume up.", "set_volume"),
    ("Who wrote Hamlet?", None),
    ("Book a room.", None),
    ("What is the weather like?", None),
    ("How old is the Brooklyn Bridge?", None),
    ("He was not an ill-disposed young man.", None),
)

TRAVEL_TOOLS: tuple[dict[str, object], ...] = (
    _function(
        "book_room",
        "Book a hotel room.",
        {
            "city": {"type": "string", "description": "City of the hotel."},
            "nights": {"type": "integer", "description": "Number of nights."},
            "guests": {"type": "integer", "default": 1, "description": "Number of people."},
        },
        ["city", "nights"],
    ),
    _function(
        "search_flights",
        "Search flights between two cities.",
        {
            "origin": {"type": "string", "description": "City of departure."},
            "destination": {"type": "string", "description": "City of arrival."},
        },
    ),
    _function(
        "convert_currency",
        "Convert an amount of money into another currency.",
        {
            "amount": {"type": "number"},
            "currency": {"type": "string", "enum": ["euro", "dollar", "pound"]},
        },
    ),
)

TRAVEL_CASES: tuple[tuple[str, str | None], ...] = (
    ("Book a room.", "book_room"),
    ("I need a hotel in Rome for three nights.", "book_room"),
    ("Can I reserve a room for two people?", "book_room"),
    ("Are there flights from London to Paris?", "search_flights"),
    ("I want to fly from Oslo to Berlin.", "search_flights"),
    ("Find me a flight to Madrid.", "search_flights"),
    ("How much is fifty dollars in euro?", "convert_currency"),
    ("Convert 20 pounds to dollars.", "convert_currency"),
    ("What is the weather like?", None),
    ("Turn on the living room lamp.", None),
    ("Tell me a joke.", None),
    ("How old is the Brooklyn Bridge?", None),
    ("Who wrote Hamlet?", None),
    ("Go forward ten meters.", None),
)

HOME_TOOLS: tuple[dict[str, object], ...] = (
    _function(
        "set_thermostat",
        "Set the temperature of the heating.",
        {"degrees": {"type": "number", "description": "Temperature in degrees."}},
    ),
    _function(
        "lock_door",
        "Lock or unlock a door.",
        {
            "door": {"type": "string", "description": "Which door."},
            "action": {"type": "string", "enum": ["lock", "unlock"]},
        },
    ),
    _function(
        "add_to_shopping_list",
        "Put an item on the shopping list.",
        {"item": {"type": "string", "description": "What to buy."}},
    ),
    _function("call_contact", "Phone a person.", {"name": {"type": "string"}}),
)

HOME_CASES: tuple[tuple[str, str | None], ...] = (
    ("Set the heating to 21 degrees.", "set_thermostat"),
    ("Make it warmer, twenty three degrees.", "set_thermostat"),
    ("Lock the front door.", "lock_door"),
    ("Please unlock the back door.", "lock_door"),
    ("Add milk to my shopping list.", "add_to_shopping_list"),
    ("Put eggs on the list.", "add_to_shopping_list"),
    ("Call my mother.", "call_contact"),
    ("Phone Peter.", "call_contact"),
    ("Who wrote Hamlet?", None),
    ("How old is the Brooklyn Bridge?", None),
    ("Play some music.", None),
    ("Tell me a joke.", None),
    ("In 1813.", None),
    ("What is the capital of France?", None),
)

OTHER_SETS = (
    ("shop", SHOP_TOOLS, SHOP_CASES),
    ("clock", CLOCK_TOOLS, CLOCK_CASES),
    ("travel", TRAVEL_TOOLS, TRAVEL_CASES),
    ("home", HOME_TOOLS, HOME_CASES),
)
